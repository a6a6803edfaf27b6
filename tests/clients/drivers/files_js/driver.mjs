// @azure/storage-file-share: `node driver.mjs URL ACCOUNT KEY`. A request a line comes in, an answer a line goes out.
import { createInterface } from "node:readline";
import {
  ShareFileClient, SASProtocol, ShareSASPermissions, ShareServiceClient, StorageSharedKeyCredential,
  generateFileSASQueryParameters,
} from "@azure/storage-file-share";

const [url, account, key] = process.argv.slice(2);
const credential = new StorageSharedKeyCredential(account, key);
const OPTIONS = { retryOptions: { maxTries: 1 }, allowTrailingDot: true, allowSourceTrailingDot: true };
const service = new ShareServiceClient(`${url}/${account}`, credential, OPTIONS);
const CONNECTIONS = 4;

function shareOf(share, snapshot) {
  const client = service.getShareClient(share);
  return snapshot ? client.withSnapshot(snapshot) : client;
}

function directoryOf(share, path, snapshot) {
  let client = shareOf(share, snapshot).rootDirectoryClient;
  for (const name of path.split("/")) if (name) client = client.getDirectoryClient(name);
  return client;
}

function fileOf(share, path, snapshot) {
  const cut = path.lastIndexOf("/");
  return directoryOf(share, path.slice(0, Math.max(cut, 0)), snapshot).getFileClient(path.slice(cut + 1));
}

const of = (kind) => (kind === "file" ? fileOf : directoryOf);

const operations = {
  create_share: ({ share }) => shareOf(share).create().then(() => null),
  create_directory: ({ share, path }) => directoryOf(share, path).create().then(() => null),
  upload: async ({ share, path, source, metadata, media }) => {
    const fileHttpHeaders = media ? { fileContentType: media } : {};
    await fileOf(share, path).uploadFile(source, { metadata, fileHttpHeaders, concurrency: CONNECTIONS });
  },
  download: async ({ share, path, target, first, count, snapshot }) => {
    await fileOf(share, path, snapshot).downloadToFile(target, first ?? 0, count);
  },
  list: async ({ share, path, snapshot, page }) => {
    const found = [];
    for await (const part of directoryOf(share, path, snapshot).listFilesAndDirectories().byPage({ maxPageSize: page })) {
      for (const item of part.segment.directoryItems) found.push([item.name, "directory", null]);
      for (const item of part.segment.fileItems) found.push([item.name, "file", item.properties.contentLength]);
    }
    return found;
  },
  properties: async ({ share, path, kind, snapshot }) => {
    const found = await of(kind)(share, path, snapshot).getProperties();
    const told = { metadata: found.metadata, etag: found.etag, id: found.fileId };
    if (kind === "directory") return told;
    return { ...told, size: found.contentLength, media: found.contentType, lease: found.leaseState };
  },
  set_metadata: ({ share, path, kind, metadata }) => of(kind)(share, path).setMetadata(metadata).then(() => null),
  rename: async ({ share, path, target, kind, replacing }) => {
    await of(kind)(share, path).rename(target, replacing ? { replaceIfExists: true } : {});
  },
  delete: async ({ share, path, kind, lease }) => {
    await of(kind)(share, path).delete(lease ? { leaseAccessConditions: { leaseId: lease } } : {});
  },
  copy: async ({ share, path, target }) =>
    (await fileOf(share, target).startCopyFromURL(fileOf(share, path).url)).copyStatus,
  lease: async ({ share, path }) => (await fileOf(share, path).getShareLeaseClient().acquireLease(-1)).leaseId,
  release: ({ share, path, lease }) => fileOf(share, path).getShareLeaseClient(lease).releaseLease().then(() => null),
  snapshot: async ({ share }) => (await shareOf(share).createSnapshot()).snapshot,
  by_signature: async ({ share, path, permission, target }) => {
    const signature = generateFileSASQueryParameters(
      {
        shareName: share, permissions: ShareSASPermissions.parse(permission), protocol: SASProtocol.HttpsAndHttp,
        expiresOn: new Date(Date.now() + 3600_000),
      },
      credential,
    );
    const file = new ShareFileClient(`${fileOf(share, path).url}?${signature}`, undefined, OPTIONS);
    if (target) await file.downloadToFile(target);
    else await file.delete();
  },
  ranges: async ({ share, path }) =>
    ((await fileOf(share, path).getRangeList()).rangeList ?? []).map((range) => [range.start, range.end]),
};

for await (const line of createInterface({ input: process.stdin })) {
  const { op, ...request } = JSON.parse(line);
  let answer;
  try {
    answer = { value: (await operations[op](request)) ?? null };
  } catch (error) {
    if (error.statusCode === undefined) throw error;
    const code = error.code ?? error.details?.errorCode ?? null;
    answer = { refused: { status: error.statusCode, code, kind: error.name } };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
