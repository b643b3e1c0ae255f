import type { Codec, WireData } from './types.js'

// By tag and not by `instanceof`: a buffer of another frame would be sent as the text "{}".
const BINARY = /(?:Buffer|Blob|File)\]$/

/**
 * JSON in text messages; binary goes and comes as it is, and comes as an `ArrayBuffer`.
 *
 * @throws TypeError for what has no JSON form, such as a function or a cycle
 */
export const json: Codec<any, any> = {
  encode (message: unknown): WireData {
    if (ArrayBuffer.isView(message) || BINARY.test(Object.prototype.toString.call(message))) return message as WireData
    const text: string | undefined = JSON.stringify(message)
    if (text === undefined) throw new TypeError('The message has no JSON form')
    return text
  },
  decode: data => typeof data === 'string' ? JSON.parse(data) : data
}

/** Strings and binary data, untouched. */
export const raw: Codec<string | ArrayBuffer, WireData> = {
  encode: message => message,
  decode: data => data
}
