// @azure/batch for JavaScript: `node driver.mjs URL ACCOUNT KEY`. A request a line comes in, an answer a line goes out.
import { createInterface } from "node:readline";
import { TokenCredentials } from "@azure/ms-rest-js";
import { BatchServiceClient, BatchSharedKeyCredentials } from "@azure/batch";

const [url, account, key] = process.argv.slice(2);
const credentials = key.startsWith("Bearer ")
  ? new TokenCredentials(key.slice("Bearer ".length))
  : new BatchSharedKeyCredentials(account, key);
const client = new BatchServiceClient(credentials, url, { noRetryPolicy: true });
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
  outcomes: async ({ job, tasks }) =>
    (await client.task.addCollection(job, tasks)).value.map((one) => one.error?.code ?? null),
  job_if: async ({ id, none_match: ifNoneMatch }) => {
    const { _response, ...found } = await client.job.get(id, { jobGetOptions: { ifNoneMatch } });
    return found;
  },
  change_priority: ({ job, priority, match: ifMatch }) =>
    client.job.patch(job, { priority }, { jobPatchOptions: { ifMatch } }).then(() => null),
  properties: async ({ job, task, path }) => {
    const { _response } = await client.file.getPropertiesFromTask(job, task, path);
    const told = (name) => _response.headers.get(name);
    return {
      length: Number(told("content-length")),
      directory: told("ocp-batch-file-isdirectory").toLowerCase() === "true",
      url: told("ocp-batch-file-url"),
    };
  },
  delete_file: ({ job, task, path }) => client.file.deleteFromTask(job, task, path).then(() => null),
  node_files: async ({ pool, node, filter }) => {
    const options = { recursive: true, fileListFromComputeNodeOptions: { filter } };
    return (await client.file.listFromComputeNode(pool, node, options)).map((file) => file.name);
  },
  node_read: async ({ pool, node, path }) => text(await client.file.getFromComputeNode(pool, node, path)),
  remove_nodes: ({ pool, nodes }) => client.pool.removeNodes(pool, { nodeList: nodes }).then(() => null),
  stop_resize: ({ pool }) => client.pool.stopResize(pool).then(() => null),
  reboot: ({ pool, node }) => client.computeNode.reboot(pool, node).then(() => null),
  scheduling: async ({ pool, node, allowed }) => {
    if (allowed) await client.computeNode.enableScheduling(pool, node);
    else await client.computeNode.disableScheduling(pool, node);
    return null;
  },
  user: async ({ action, pool, node, name }) => {
    if (action === "create") await client.computeNode.addUser(pool, node, { name });
    else if (action === "replace") await client.computeNode.updateUser(pool, node, name, { password: "other" });
    else await client.computeNode.deleteUser(pool, node, name);
    return null;
  },
  node_counts: async () => [...(await client.account.listPoolNodeCounts())],
  images: async () => (await client.account.listSupportedImages()).length,
  pool_exists: async ({ pool }) => (await client.pool.exists(pool)).body,
  change_pool: ({ pool, metadata }) => client.pool.patch(pool, { metadata }).then(() => null),
  prepared: async ({ job }) => [...(await client.job.listPreparationAndReleaseTaskStatus(job))],
  change_task: ({ job, task, retries }) =>
    client.task.update(job, task, { constraints: { maxTaskRetryCount: retries } }).then(() => null),
  change_schedule: ({ schedule, body }) => client.jobSchedule.patch(schedule, body).then(() => null),
  subtasks: async ({ job, task }) => (await client.task.listSubtasks(job, task)).value,
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
