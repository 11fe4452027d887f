/** Imported first, it makes what a test takes of bench/ count as little as it can. */
process.env.BENCH_SIZE = 'small'
