// Calls the real client as it is told: a line of JSON in, a line of JSON out.
// First line: {url, login: {password: [name, password]} | {ticket} | {token}, options}; then [method, ...arguments].
const readline = require("node:readline");
const { WebApi } = require("@superoffice/webapi");

let agents;

function connect({ url, login, options }) {
  const api = new WebApi({ baseUrl: url, ...options });
  if (login.password) api.authenticateWithPassword(...login.password);
  if (login.ticket) api.authenticateWithTicket(login.ticket);
  if (login.token) api.authenticateWithToken(login.token);
  return { batch: api.getBatchAgent(), archive: api.getArchiveAgent() };
}

async function answer(message) {
  if (!agents) {
    agents = connect(message);
    return { value: "connected" };
  }
  const [method, ...values] = message;
  const agent = method + "Async" in agents.batch ? agents.batch : agents.archive;
  try {
    return { value: (await agent[method + "Async"](...values)) ?? null };
  } catch (error) {
    return { status: error.response?.status ?? null, data: error.response?.data ?? String(error) };
  }
}

(async () => {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    process.stdout.write(JSON.stringify(await answer(JSON.parse(line))) + "\n");
  }
})();
