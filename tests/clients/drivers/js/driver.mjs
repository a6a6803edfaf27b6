// @azure/batch for JavaScript: `node driver.mjs URL ACCOUNT KEY`. A request a line comes in, an answer a line goes out.
import { createInterface } from "node:readline";
import { BatchServiceClient, BatchSharedKeyCredentials } from "@azure/batch";

const [url, account, key] = process.argv.slice(2);
const client = new BatchServiceClient(new BatchSharedKeyCredentials(account, key), url, { noRetryPolicy: true });
const GROUPS = { pool: "pool", job: "job", task: "task", node: "computeNode", job_schedule: "jobSchedule" };

function optionsOf(kind, options) {
  const { max_results: maxResults, ...rest } = options;
  return { [`${GROUPS[kind]}ListOptions`]: { ...rest, ...(maxResults === undefined ? {} : { maxResults }) } };
}

async function text(response) {
  if (response.blobBody) return (await response.blobBody).text();
  const parts = [];
  for await (const part of response.readableStreamBody) parts.push(part);
  return Buffer.concat(parts.map((part) => Buffer.from(part))).toString("utf8");
}

async function pages(first, next) {
  const all = [...first];
  for (let link = first.odatanextLink; link; ) {
    const page = await next(link);
    all.push(...page);
    link = page.odatanextLink;
  }
  return all;
}

const operations = {
  create: ({ kind, body, where }) => client[GROUPS[kind]].add(...Object.values(where), body).then(() => null),
  create_many: async ({ job, tasks }) => (await client.task.addCollection(job, tasks)).value.map((one) => one.status),
  get: async ({ kind, id, where }) => {
    const { _response, ...found } = await client[GROUPS[kind]].get(...Object.values(where), id);
    return found;
  },
  list: async ({ kind, where, ...options }) => {
    const group = client[GROUPS[kind]];
    const first = await group.list(...Object.values(where), optionsOf(kind, options));
    return pages(first, (link) => group.listNext(link, {}));
  },
  jobs_of: async ({ schedule }) =>
    pages(await client.job.listFromJobSchedule(schedule), (link) => client.job.listFromJobScheduleNext(link)),
  act: async ({ action, kind, id, where, body }) => {
    const group = client[GROUPS[kind]];
    const names = [...Object.values(where), id];
    const named = { update: "patch", delete: "deleteMethod" };
    if (action === "disable" && kind === "job") await group.disable(...names, body.disableTasks);
    else if (action === "terminate" && kind === "job") await group.terminate(...names, { ...body });
    else await group[named[action] ?? action](...names, ...(body ? [body] : []));
    return null;
  },
  auto_scale: async ({ action, pool, formula, interval }) => {
    if (action === "evaluate") return (await client.pool.evaluateAutoScale(pool, formula))._response.parsedBody;
    if (action === "disable") await client.pool.disableAutoScale(pool);
    else await client.pool.enableAutoScale(pool, { autoScaleFormula: formula, autoScaleEvaluationInterval: interval });
    return null;
  },
  counts: async ({ job }) => (await client.job.getTaskCounts(job)).taskCounts,
  read: async ({ job, task, path, first, last }) => {
    const options = first === undefined ? {} : { fileGetFromTaskOptions: { ocpRange: `bytes=${first}-${last}` } };
    return text(await client.file.getFromTask(job, task, path, options));
  },
  files: async ({ job, task }) =>
    (await client.file.listFromTask(job, task, { recursive: true })).map((file) => file.name),
};

for await (const line of createInterface({ input: process.stdin })) {
  const { op, ...request } = JSON.parse(line);
  let answer;
  try {
    answer = { value: (await operations[op](request)) ?? null };
  } catch (error) {
    if (error.statusCode === undefined) throw error;
    answer = { refused: { status: error.statusCode, code: error.code ?? error.body?.code ?? null } };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
