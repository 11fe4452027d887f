// The service, as it is made from a .proto file otherwise; here its messages are plain text.
const text = (value) => Buffer.from(value)
const read = (buffer) => buffer.toString()
const method = (name, responseStream) => ({
  path: `/demo.Greeter/${name}`,
  requestStream: false,
  responseStream,
  requestSerialize: text,
  requestDeserialize: read,
  responseSerialize: text,
  responseDeserialize: read,
})

export const Greeter = { hello: method('Hello', false), count: method('Count', true) }
