/** How far `observed` is from `expected` counts (each above 0): Pearson's statistic. */
export function chiSquare(observed: readonly number[], expected: readonly number[]): number {
  return observed.reduce((total, value, index) => {
    const due = expected[index] ?? NaN
    return total + (value - due) ** 2 / due
  }, 0)
}

/**
 * How often pure chance is at least as far off: small means that it was hardly chance. Exact to
 * about nine digits.
 */
export function chanceOf(statistic: number, degrees: number): number {
  return upperGamma(degrees / 2, statistic / 2)
}

const STEPS = 100_000
const ENOUGH = 1e-14
/** In place of a 0 that would be divided by. */
const TINY = 1e-300

/**
 * The regularised upper incomplete gamma function: a series where that converges soon, else a
 * continued fraction.
 */
function upperGamma(a: number, x: number): number {
  if (x <= 0) {
    return 1
  }
  const scale = Math.exp(a * Math.log(x) - x - logGamma(a))
  return x < a + 1 ? 1 - scale * lowerSeries(a, x) : scale * upperFraction(a, x)
}

function lowerSeries(a: number, x: number): number {
  let term = 1 / a
  let total = term
  for (let step = 1; step < STEPS && term > total * ENOUGH; step++) {
    term *= x / (a + step)
    total += term
  }
  return total
}

/** By Lentz’s method. */
function upperFraction(a: number, x: number): number {
  let b = x + 1 - a
  let c = 1 / TINY
  let d = 1 / b
  let value = d
  for (let step = 1; step < STEPS; step++) {
    const numerator = -step * (step - a)
    b += 2
    d = 1 / (numerator * d + b || TINY)
    c = b + numerator / c || TINY
    value *= c * d
    if (Math.abs(c * d - 1) < ENOUGH) {
      break
    }
  }
  return value
}

/**
 * Stirling’s series is exact enough from 10 on; what is below is brought there by Γ(x + 1) = x
 * Γ(x).
 */
function logGamma(x: number): number {
  if (x < 10) {
    return logGamma(x + 1) - Math.log(x)
  }
  const inverse = 1 / (x * x)
  const series = 1 / 12 - inverse * (1 / 360 - inverse * (1 / 1260 - inverse / 1680))
  return (x - 0.5) * Math.log(x) - x + Math.log(2 * Math.PI) / 2 + series / x
}
