/** The server of `view`, over real sockets. */
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { type IncomingHttpHeaders, request } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer, text } from 'node:stream/consumers';
import { expect } from 'chai';
import { serveViewer, type ViewerServer } from '../../src/cli/serve-viewer.ts';
import { FileFormatError, MissingPackageError } from '../../src/errors.ts';
import { rejection } from '../inference/rejection.ts';

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

const NAMES = ['a%b#c?.onnx', '100%.onnx', 'ä + &=.onnx', 'page.html'];

describe('the server of view', () => {
  let folder: string;
  let server: ViewerServer;
  let port: number;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'monosemantic-'));
    for (const name of ['viewer', 'viewer/assets', 'models']) await mkdir(join(folder, name));
    await writeFile(join(folder, 'viewer/index.html'), '<!doctype html><script>let inline;</script><p>viewer');
    await writeFile(join(folder, 'viewer/assets/worker.js'), '0123456789');
    await writeFile(join(folder, 'viewer/assets/large.wasm'), new Uint8Array(8 << 20));
    await writeFile(join(folder, 'viewer/assets/empty.json'), '');
    await writeFile(join(folder, 'secret'), 'a secret');
    await symlink(join(folder, 'secret'), join(folder, 'viewer/assets/out'));
    await symlink(join(folder, 'viewer/assets/worker.js'), join(folder, 'viewer/assets/within.js'));
    for (const name of NAMES) await writeFile(join(folder, 'models', name), name);
    await symlink(join(folder, 'secret'), join(folder, 'models/history.json'));
    await writeFile(join(folder, 'models/100%.history.json'), '{}');
    server = await serveViewer({
      folder: join(folder, 'viewer'),
      files: NAMES.map(name => join(folder, 'models', name)),
    });
    port = Number(new URL(server.address).port);
  });

  after(async () => {
    await server?.close();
    await rm(folder, { recursive: true });
  });

  async function ask(
    path: string,
    { method = 'GET', headers = {} }: { method?: string; headers?: object } = {},
  ): Promise<Answer> {
    const asked = request({
      host: '127.0.0.1',
      port,
      path,
      method,
      headers: headers as Record<string, string>,
      agent: false,
    });
    asked.end();
    const [response] = await once(asked, 'response');
    return { status: response.statusCode, headers: response.headers, body: await text(response) };
  }

  it('gives the page and its parts, with the headers that isolate it and say what it may do', async () => {
    const page = await ask('/');
    expect(page.status).to.equal(200);
    expect(page.body).to.contain('<p>viewer');
    expect(page.headers).to.include({
      'content-type': 'text/html; charset=utf-8',
      'cross-origin-opener-policy': 'same-origin',
      'cross-origin-embedder-policy': 'require-corp',
      'cross-origin-resource-policy': 'same-origin',
      'x-content-type-options': 'nosniff',
    });
    // printf 'let inline;' | openssl dgst -sha256 -binary | base64
    expect(page.headers['content-security-policy']).to.contain(
      "default-src 'none'; script-src 'self' 'sha256-UjJTDlID58O2NV0S3NuUnvx5zr9/PkMsVWDuk667yDk='",
    );
    const worker = await ask('/assets/worker.js?v=1');
    expect(worker).to.include({ status: 200, body: '0123456789' });
    expect(worker.headers['content-security-policy']).to.contain("script-src 'self' 'wasm-unsafe-eval';");
    expect(await ask('/assets/within.js')).to.include({ status: 200, body: '0123456789' });
    expect(await ask('/assets/empty.json')).to.include({ status: 200, body: '' });
  });

  it('lives through what is no path', async () => {
    for (const path of ['/%', '/%ff', '/%00', '/%E0%A4%A', '*', '/a%'])
      expect((await ask(path)).status, path).to.equal(400);
    for (const path of ['//', '//evil.example/x', '/none', '/assets', '/?%']) {
      expect((await ask(path)).status, path).to.be.oneOf([200, 404]);
    }
    const socket = connect(port, '127.0.0.1');
    socket.end('GARBAGE\r\n\r\n');
    await buffer(socket).catch(() => undefined);
    expect((await ask('/')).status).to.equal(200);
  });

  it('gives files of any name, at the addresses that it tells, as data', async () => {
    const addresses = new URL(server.url).searchParams.getAll('model');
    expect(addresses).to.have.length(5);
    const bodies: string[] = [];
    for (const address of addresses) {
      const { status, headers, body } = await ask(new URL(address, server.address).pathname);
      expect(status).to.equal(200);
      expect(headers['content-type']).to.be.oneOf(['application/octet-stream', 'application/json; charset=utf-8']);
      bodies.push(body);
    }
    expect(bodies).to.have.members([...NAMES, '{}']);
  });

  it('gives the files of a feature bundle, by its folder, and refuses other folders', async () => {
    const bundle = join(folder, 'pages of ä');
    await mkdir(bundle);
    await writeFile(join(bundle, 'bundle.json'), '{}');
    await writeFile(join(bundle, 'overview.safetensors'), 'numbers');
    await writeFile(join(bundle, 'notes.txt'), 'mine');
    const viewer = join(folder, 'viewer');
    const own = await serveViewer({ folder: viewer, files: [`${bundle}/`] });
    try {
      const [address] = new URL(own.url).searchParams.getAll('bundle');
      const status = async (name: string) => (await fetch(new URL(`${address}/${name}`, own.address))).status;
      expect(await status('bundle.json')).to.equal(200);
      expect(await status('overview.safetensors')).to.equal(200);
      expect(await status('notes.txt')).to.equal(404);
    } finally {
      await own.close();
    }
    const error = await rejection(serveViewer({ folder: viewer, files: [join(folder, 'models')] }));
    expect(error)
      .to.be.instanceOf(FileFormatError)
      .with.property('message')
      .that.matches(/no feature bundle/);
  });

  it('gives nothing outside its folder: neither by dots nor by links', async () => {
    const outside = [
      '/../secret',
      '/%2e%2e/secret',
      '/..%2fsecret',
      '/assets/out',
      '/open/0/../../../secret',
      '/..',
      '//../secret',
    ];
    for (const path of outside) {
      const { status, body } = await ask(path);
      expect(status, path).to.equal(404);
      expect(body).not.to.contain('secret');
    }
    // The history beside the models is a link to the secret.
    expect(server.url).not.to.match(/%2Fhistory\.json/);
  });

  it('answers to names of loopback alone', async () => {
    for (const host of [`127.0.0.1:${port}`, `localhost:${port}`, 'LOCALHOST:8080', `[::1]:${port}`, 'localhost']) {
      expect((await ask('/', { headers: { host } })).status, host).to.equal(200);
    }
    for (const host of [`evil.example:${port}`, 'localhost.evil.example', '127.0.0.1.evil.example', '127.0.0.2']) {
      const { status, body } = await ask('/', { headers: { host } });
      expect(status, host).to.equal(421);
      expect(body).not.to.contain('viewer');
    }
    const socket = connect(port, '127.0.0.1');
    socket.end('GET / HTTP/1.0\r\n\r\n');
    expect(await text(socket)).to.match(/^HTTP\/1.1 421 /);
  });

  it('answers GET and HEAD alone', async () => {
    for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS', 'TRACE', 'PATCH']) {
      const { status, headers } = await ask('/', { method });
      expect({ status, allow: headers.allow }, method).to.deep.equal({ status: 405, allow: 'GET, HEAD' });
    }
    const head = await ask('/assets/worker.js', { method: 'HEAD' });
    expect(head).to.include({ status: 200, body: '' });
    expect(head.headers['content-length']).to.equal('10');
  });

  it('gives ranges of bytes', async () => {
    const ranges: [string, number, string, string | undefined][] = [
      ['bytes=0-0', 206, '0', 'bytes 0-0/10'],
      ['bytes=2-4', 206, '234', 'bytes 2-4/10'],
      ['bytes=7-', 206, '789', 'bytes 7-9/10'],
      ['bytes=-3', 206, '789', 'bytes 7-9/10'],
      ['bytes=5-99', 206, '56789', 'bytes 5-9/10'],
      ['bytes=-99', 206, '0123456789', 'bytes 0-9/10'],
      ['bytes=10-', 416, 'no such range', 'bytes */10'],
      ['bytes=4-2', 416, 'no such range', 'bytes */10'],
      ['bytes=0-1,3-4', 200, '0123456789', undefined],
      ['lines=1-2', 200, '0123456789', undefined],
    ];
    for (const [range, status, body, where] of ranges) {
      const answer = await ask('/assets/worker.js', { headers: { range } });
      expect({ ...answer, headers: answer.headers['content-range'] }, range).to.deep.equal({
        status,
        body,
        headers: where,
      });
    }
  });

  it('keeps no descriptor of 300 downloads that were given up', async function () {
    if (process.platform !== 'linux') this.skip();
    const descriptors = async () => (await readdir('/proc/self/fd')).length;
    const before = await descriptors();
    await Promise.all(
      Array.from({ length: 300 }, async () => {
        const socket = connect(port, '127.0.0.1');
        socket.write('GET /assets/large.wasm HTTP/1.1\r\nHost: localhost\r\n\r\n');
        await once(socket, 'data');
        socket.destroy();
        await once(socket, 'close');
      }),
    );
    // The server hears of it in its own time.
    const deadline = Date.now() + 20_000;
    while ((await descriptors()) > before && Date.now() < deadline)
      await new Promise(resolve => setTimeout(resolve, 10));
    expect(await descriptors()).to.be.at.most(before);
    expect((await ask('/')).status).to.equal(200);
  });

  it('serves the single file where the site is not there, allowed to ask this server, and a bundle folder file by file', async () => {
    await mkdir(join(folder, 'single'));
    await mkdir(join(folder, 'pages'));
    const policy = `<meta http-equiv="Content-Security-Policy" content="connect-src 'none'; base-uri 'none'" />`;
    await writeFile(
      join(folder, 'single/monosemantic-viewer.html'),
      `<!doctype html>${policy}<script>let own;</script>`,
    );
    await writeFile(join(folder, 'pages/bundle.json'), '{"a": 1}');
    await writeFile(join(folder, 'pages/overview.safetensors'), 'bytes');
    await using single = await serveViewer({ folder: join(folder, 'single'), files: [join(folder, 'pages')] }).then(
      started => ({ ...started, [Symbol.asyncDispose]: started.close }),
    );
    const page = await (await fetch(single.address)).text();
    expect(page).to.include('connect-src *; base-uri').and.to.not.include("connect-src 'none'");
    expect(new URL(single.url).searchParams.getAll('bundle')).to.deep.equal(['/open/0/pages']);
    for (const [name, content] of [
      ['bundle.json', '{"a": 1}'],
      ['overview.safetensors', 'bytes'],
    ])
      expect(await (await fetch(`${single.address}open/0/pages/${name}`)).text()).to.equal(content);
    const other = await rejection(serveViewer({ folder: join(folder, 'single'), files: [join(folder, 'models')] }));
    expect(other).to.be.instanceOf(FileFormatError).with.property('message').that.includes('without bundle.json');
  });

  it('says what is missing', async () => {
    expect(await rejection(serveViewer({ folder: join(folder, 'models') }))).to.be.instanceOf(MissingPackageError);
    const files = [join(folder, 'none.onnx')];
    expect(await rejection(serveViewer({ folder: join(folder, 'viewer'), files }))).to.be.instanceOf(FileFormatError);
  });
});
