// A gRPC client: `node client.mjs 8443 greeter.example.com hello Ada`.
import grpc from '@grpc/grpc-js'
import { Greeter } from './greeter.mjs'

const [port, host, method, message] = process.argv.slice(2)
// Until Sluice is given a certificate for the host, it shows one that nobody vouches for.
const anyone = { rejectUnauthorized: false, checkServerIdentity: () => undefined }
const credentials = grpc.credentials.createSsl(null, null, null, anyone)
const options = { 'grpc.default_authority': host, 'grpc.ssl_target_name_override': host }
const Client = grpc.makeGenericClientConstructor(Greeter, 'Greeter')
const client = new Client(`127.0.0.1:${port}`, credentials, options)

function failed({ code, details }) {
  console.log(`${grpc.status[code]}: ${details}`)
  process.exitCode = 1
}

if (method === 'hello') {
  client.hello(message, (error, text) => (error ? failed(error) : console.log(text)))
} else {
  client.count(message).on('error', failed).on('data', console.log)
}
