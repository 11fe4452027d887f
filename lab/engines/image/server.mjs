// The server in the containers of tests: answers with the container's hostname.
//   GET /sleep/<ms>  the same, later        GET /health  200, or 503 after PUT /health/fail
// On SIGTERM it stops listening and ends when the last request is answered.
import { createServer } from 'node:http'
import { hostname } from 'node:os'

let healthy = true

const server = createServer((request, response) => {
  const [, action, argument] = request.url.split('/')
  const answer = (status) => response.writeHead(status).end(`${hostname()}\n`)
  if (action === 'sleep') {
    return setTimeout(answer, Number(argument), 200)
  }
  if (action !== 'health') {
    return answer(200)
  }
  if (request.method === 'PUT') {
    healthy = argument !== 'fail'
  }
  return answer(healthy ? 200 : 503)
})

server.listen(Number(process.env.PORT ?? 80))
process.on('SIGTERM', () => server.close())
