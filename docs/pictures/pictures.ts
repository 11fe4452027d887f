/** The pictures of docs/, by the name of their file. */
import { change } from './change.js'
import { parts } from './parts.js'
import { request } from './request.js'
import type { Picture } from './shapes.js'
import { sockets } from './sockets.js'

export const PICTURES: Record<string, Picture> = { change, parts, request, sockets }
