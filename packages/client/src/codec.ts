import type { Codec, WireData } from './types.js'

// By tag and not by `instanceof`: a buffer of another frame would be sent as the text "{}".
const BINARY = /(Buffer|Blob|File)\]$/

/**
 * JSON in text messages; binary goes and comes as it is, and comes as an `ArrayBuffer`.
 *
 * @throws TypeError for a cycle
 */
export const json: Codec<any, any> = {
  encode (message: unknown): WireData {
    if (ArrayBuffer.isView(message) || BINARY.test(({}).toString.call(message))) return message as WireData
    // As in an array: what has no JSON form, such as `undefined`, is `null`.
    return JSON.stringify(message) ?? 'null'
  },
  decode: data => typeof data === 'string' ? JSON.parse(data) : data
}

/** Strings and binary data, untouched. */
export const raw: Codec<string | ArrayBuffer, WireData> = {
  encode: message => message,
  decode: data => data
}

/** @returns the size of a message on the wire, in bytes; text counts as UTF-8 */
export function sizeOf (data: WireData): number {
  return new Blob([data]).size
}
