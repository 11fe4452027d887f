// A gRPC server: `node server.mjs 9001 one`.
import grpc from '@grpc/grpc-js'
import { Greeter } from './greeter.mjs'

const [port, name] = process.argv.slice(2)
const server = new grpc.Server()
server.addService(Greeter, {
  hello: ({ request }, answer) => answer(null, `hello ${request}, says ${name}`),
  count: (call) => {
    for (let i = 1; i <= Number(call.request); i++) {
      call.write(`${i}`)
    }
    call.end()
  },
})
server.bindAsync(`127.0.0.1:${port}`, grpc.ServerCredentials.createInsecure(), () => undefined)
