/** ARCHITECTURE.md's table of rooms is what the imports in src/ are. */
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const SRC = join(ROOT, 'src');
const ROOMS = readdirSync(SRC, { withFileTypes: true }).flatMap(entry => (entry.isDirectory() ? [entry.name] : []));

/** What each room may import, as the table says; `files` is open to every room but workers. */
function allowedRooms(): Map<string, readonly string[]> {
  const text = readFileSync(join(ROOT, 'ARCHITECTURE.md'), 'utf8');
  const table = text.slice(text.indexOf('## Rooms (src/)'), text.indexOf('## Rooms of the viewer'));
  const rows = [...table.matchAll(/^\| `([a-z]+)\/` \|.*\| ([^|]+) \|$/gm)];
  return new Map(
    rows.map(([, room, says]): [string, readonly string[]] => {
      const isOpen = says!.startsWith('all');
      const named = isOpen ? ROOMS.filter(name => says === 'all' || !says!.includes(name)) : says!.split(', ');
      return [room!, room === 'workers' ? named : [...named, 'files']];
    }),
  );
}

/** The other rooms that a room's modules import. */
function importedRooms(room: string): Set<string> {
  const imported = new Set<string>();
  const files = readdirSync(join(SRC, room), { recursive: true, encoding: 'utf8' }).filter(name =>
    name.endsWith('.ts'),
  );
  for (const name of files) {
    const file = join(SRC, room, name);
    for (const [, path] of readFileSync(file, 'utf8').matchAll(/(?:from|import\(|import) ?'(\.[^']+)'/g)) {
      const [other, ...rest] = relative(SRC, resolve(file, '..', path!)).split(sep);
      if (rest.length > 0 && other !== room) imported.add(other!);
    }
  }
  return imported;
}

describe('rooms', () => {
  const allowed = allowedRooms();

  it('are all in the table', () => {
    expect([...allowed.keys()].sort()).to.deep.equal([...ROOMS].sort());
  });

  for (const room of ROOMS) {
    it(`${room}/ imports what the table names`, () => {
      const imported = [...importedRooms(room)];
      expect(imported.filter(other => !allowed.get(room)!.includes(other))).to.deep.equal([]);
      // And the table names nothing that is not imported.
      if (['experiments', 'sweeps', 'cli'].includes(room)) return;
      expect(
        allowed.get(room)!.filter(other => other !== 'files' && other !== '–' && !imported.includes(other)),
      ).to.deep.equal([]);
    });
  }
});
