/**
 * Conditional requests (RFC 9110): If-Match and If-None-Match. An entity's tag is its revision in
 * double quotes.
 */
import type { FastifyReply, FastifyRequest } from 'fastify'
import { SluiceError } from '../../../runtime/errors.js'

export interface Preconditions {
  /**
   * The revision since which it must not have changed; 0: it must not be there; `*`: it must be.
   */
  ifMatch?: number | '*'
  /** `*`: it must not be there; else revisions, none of which it may have. */
  ifNoneMatch?: number[] | '*'
}

const ONE_TAG = /^"(\d{1,15})"$/
const TAGS = /^(W\/)?"[^"]*"(\s*,\s*(W\/)?"[^"]*")*$/

/** Of a call that changes something. Throws `invalid` for a header that is neither. */
export function preconditionsOf({ headers }: FastifyRequest): Preconditions {
  const { 'if-match': match, 'if-none-match': noneMatch } = headers
  return {
    ...(match !== undefined && { ifMatch: parseIfMatch(match) }),
    ...(noneMatch !== undefined && { ifNoneMatch: parseIfNoneMatch(noneMatch) }),
  }
}

function parseIfMatch(text: string): number | '*' {
  const tag = ONE_TAG.exec(text)
  if (tag === null && text !== '*') {
    const what = 'If-Match must be one revision in double quotes, such as "17", or *'
    throw new SluiceError('invalid', what, { field: 'If-Match' })
  }
  return tag === null ? '*' : Number(tag[1])
}

function parseIfNoneMatch(text: string): number[] | '*' {
  if (text.trim() !== '*' && !TAGS.test(text.trim())) {
    const what = 'If-None-Match must be *, or revisions in double quotes, such as "17"'
    throw new SluiceError('invalid', what, { field: 'If-None-Match' })
  }
  return text.trim() === '*' ? '*' : revisionsIn(text)
}

function revisionsIn(text: string): number[] {
  return [...text.matchAll(/"(\d{1,15})"/g)].map(([, digits]) => Number(digits))
}

/** Answers a read with its tag; 304 and no body where the caller has what has this tag. */
export function sendTagged(
  request: FastifyRequest,
  reply: FastifyReply,
  revision: number,
  body: object,
): FastifyReply {
  const known = request.headers['if-none-match']
  void reply.header('etag', `"${revision}"`)
  const isKnown =
    known?.trim() === '*' || (known !== undefined && revisionsIn(known).includes(revision))
  return isKnown ? reply.code(304).send() : reply.send(body)
}
