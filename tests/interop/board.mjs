// The real bull-board over queues: board.mjs PORT PREFIX QUEUE... Prints its address, and serves until it is killed.
import { createBullBoard } from '@bull-board/api'
import { BullMQAdapter } from '@bull-board/api/bullMQAdapter'
import { ExpressAdapter } from '@bull-board/express'
import { Queue } from 'bullmq'
import express from 'express'

const [port, prefix, ...names] = process.argv.slice(2)
const connection = { host: '127.0.0.1', port: Number(port), maxRetriesPerRequest: null }
const queues = names.map(name => new BullMQAdapter(new Queue(name, { connection, prefix })))
const serverAdapter = new ExpressAdapter()
serverAdapter.setBasePath('/board')
createBullBoard({ queues, serverAdapter })
const app = express()
app.use('/board', serverAdapter.getRouter())
const server = app.listen(0, '127.0.0.1', () => console.log(`http://127.0.0.1:${server.address().port}/board`))
