/**
 * What a change adds to the table: instances, routes and units. A drain, a removal and a change of
 * state add nothing, and a table that is full has room kept for them. Pure.
 */
import type { Unit, UnitChange } from '../table/unit.js'

/** Whether all that this key holds is something that was added: peers' lines and routes. */
function isAddition(key: string, name: string): boolean {
  return name.startsWith('@') ? !/\/\d+$/.test(key) : key.charAt(name.length) === '#'
}

function sizeOf(unit: Unit | undefined): number {
  let bytes = 0
  for (const [key, value] of unit?.entries ?? []) {
    bytes += isAddition(key, unit?.name ?? '') ? value.length : 0
  }
  return bytes
}

/** A unit is there once it has its record. */
export function isThere(unit: Unit | undefined): boolean {
  return unit?.entries.has(unit.name) === true
}

export function grows({ before, after }: UnitChange): boolean {
  return after !== undefined && (!isThere(before) || sizeOf(after) > sizeOf(before))
}
