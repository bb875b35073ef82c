// One command of the real BullMQ: bullmq.mjs PACKAGE PORT PREFIX QUEUE COMMAND [ARGUMENT...]. Prints JSON.
const [name, port, prefix, queueName, command, ...args] = process.argv.slice(2)
const { Queue, QueueEvents, Worker, Job } = (await import(name)).default ?? (await import(name))
const connection = { host: '127.0.0.1', port: Number(port), maxRetriesPerRequest: null }
const options = { connection, prefix }
const say = value => console.log(JSON.stringify(value))
const queue = new Queue(queueName, options)
await queue.waitUntilReady()

const commands = {
  counts: () => queue.getJobCounts(),
  async jobs(state) {
    const jobs = await queue.getJobs([state])
    return jobs.map(job => ({
      id: job.id, name: job.name, data: job.data, returnvalue: job.returnvalue, failedReason: job.failedReason,
      attemptsMade: job.attemptsMade, priority: job.opts.priority ?? 0, stacktrace: job.stacktrace,
    }))
  },
  async state(id) { return (await Job.fromId(queue, id)).getState() },
  async retry(id) { await (await Job.fromId(queue, id)).retry('failed') },
  async promote(id) { await (await Job.fromId(queue, id)).promote() },
  async priority(id, priority) { await (await Job.fromId(queue, id)).changePriority({ priority: Number(priority) }) },
  async remove(id) { await (await Job.fromId(queue, id)).remove() },
  pause: () => queue.pause(),
  resume: () => queue.resume(),
  isPaused: () => queue.isPaused(),
  // Adds jobs; their ids.
  async add(jobs) {
    const added = []
    for (const { name, data, options } of JSON.parse(jobs)) added.push((await queue.add(name ?? 'task', data, options)).id)
    return added
  },
  // Adds a job and waits for its end.
  async run(data, jobOptions, name) {
    const events = new QueueEvents(queueName, options)
    await events.waitUntilReady()
    try {
      const job = await queue.add(name ?? 'task', JSON.parse(data), JSON.parse(jobOptions ?? '{}'))
      return { result: await job.waitUntilFinished(events) }
    } catch (error) {
      return { error: error.message }
    } finally {
      await events.close()
    }
  },
  // The children of a job, by whether they have ended.
  async children(id) { return (await Job.fromId(queue, id)).getDependencies() },
  // Takes a job and dies with it.
  async take() {
    const worker = new Worker(queueName, null, { ...options, lockDuration: 1000 })
    return (await worker.getNextJob('t')).id
  },
  // Waits for the end of a job as its producer would.
  async await(id) {
    const events = new QueueEvents(queueName, options)
    await events.waitUntilReady()
    try {
      const job = await Job.fromId(queue, id)
      say('waiting')
      return { result: await job.waitUntilFinished(events) }
    } catch (error) {
      return { error: error.message }
    } finally {
      await events.close()
    }
  },
  // Runs what comes until no job waits or runs; the data of what it ran.
  async drain() {
    const ran = []
    const worker = new Worker(queueName, async job => { ran.push(job.data); return { ranInNode: job.name } }, options)
    const rest = async () => {
      const counts = await queue.getJobCounts()
      return counts.waiting + counts.active + counts.prioritized + counts['waiting-children']
    }
    do await new Promise(resolve => setTimeout(resolve, 200)); while (await rest() > 0)
    await worker.close()
    return ran
  },
  // Prints the events of a job up to its end.
  async events(id) {
    const events = new QueueEvents(queueName, { ...options, lastEventId: '0' })
    const seen = []
    const ended = new Promise(resolve => {
      for (const event of ['added', 'waiting', 'active', 'delayed', 'completed', 'failed']) {
        events.on(event, told => {
          if (told.jobId !== id) return
          seen.push(event)
          if (event === 'completed' || event === 'failed') resolve()
        })
      }
    })
    await ended
    await events.close()
    return seen
  },
  // Runs one job.
  async work() {
    const worker = new Worker(queueName, async job => ({ ranInNode: job.name, input: job.data.input }), options)
    const ended = new Promise(resolve => worker.once('completed', job => resolve(job.id)))
    const id = await ended
    await worker.close()
    return id
  },
}

const answer = (await commands[command](...args)) ?? null
await queue.close()
process.stdout.write(`${JSON.stringify(answer)}\n`, () => process.exit(0))
