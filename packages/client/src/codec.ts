import type { Codec, WireData } from './types.js'

/** By tag and not by `instanceof`, which would miss a buffer of another frame and send it as the text "{}". */
export const BINARY_TAG = / (.*ArrayBuffer|Blob|File)]$/

/**
 * JSON in text messages. Binary data is sent as it is, and arrives as an `ArrayBuffer`.
 *
 * @throws {TypeError} when a message contains a cycle
 */
export const json: Codec<any, any> = {
  encode (message: unknown): WireData {
    if (BINARY_TAG.test(({}).toString.call(message)) || ArrayBuffer.isView(message)) return message as WireData
    // As inside an array: a value without a JSON form, such as `undefined`, becomes `null`.
    return JSON.stringify(message) ?? 'null'
  },
  decode: data => typeof data === 'string' ? JSON.parse(data) : data
}

/** Strings and binary data, untouched. */
export const raw: Codec<string | ArrayBuffer, WireData> = {
  encode: message => message,
  decode: data => data
}

/** Returns the size of a message on the wire, in bytes. Text counts as UTF-8. */
export function sizeOf (data: WireData): number {
  return new Blob([data]).size
}
