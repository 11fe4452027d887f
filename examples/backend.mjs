// A backend for the examples: `node backend.mjs 9001 "version 1"` answers each request with that.
import { createServer } from 'node:http'

const [port, text] = process.argv.slice(2)
createServer((_, answer) => answer.end(`${text}\n`)).listen(Number(port), '127.0.0.1')
