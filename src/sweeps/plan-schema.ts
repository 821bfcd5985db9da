/** The JSON schema of plans, made from the existing settings. */
import type { RunKinds } from './sweep.ts';

/** A JSON schema (draft 2020-12) of plans for what `kinds` can train. */
export function planSchema(kinds: RunKinds): object {
  const settings = (schema: Readonly<Record<string, object>>): object => ({
    type: 'object',
    properties: Object.fromEntries(
      Object.entries(schema).map(([name, own]) => [name, { anyOf: [own, { type: 'null' }] }]),
    ),
    additionalProperties: false,
  });
  const values = (schema: Readonly<Record<string, object>>): object => ({
    type: 'object',
    properties: Object.fromEntries(
      Object.entries(schema).map(([name, own]) => [
        name,
        { type: 'array', minItems: 1, items: { anyOf: [own, { type: 'null' }] } },
      ]),
    ),
    additionalProperties: false,
  });
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'A plan of runs for `monosemantic sweep`',
    type: 'object',
    required: ['train'],
    properties: {
      $schema: { type: 'string' },
      train: { enum: Object.keys(kinds), description: 'what is trained: as `train toy` or as `train sae` does' },
      name: { type: 'string', description: 'what the sweep is called in reports' },
      base: { type: 'object', description: 'settings of all runs' },
      grid: { type: 'object', description: 'for settings, the values to combine' },
      list: { type: 'array', minItems: 1, items: { type: 'object' }, description: 'overrides that belong together' },
      seeds: {
        anyOf: [
          { type: 'integer', minimum: 1 },
          { type: 'array', minItems: 1, items: { type: 'integer' } },
        ],
        description: 'how many seeds, from 0 on, or the seeds',
      },
      groupSize: { type: 'integer', minimum: 1, description: 'the most runs that are one unit of work' },
      snapshots: {
        type: 'integer',
        minimum: 0,
        description: 'about how many times in training the directions are kept, evenly on a log scale (histories/)',
      },
    },
    additionalProperties: false,
    oneOf: Object.values(kinds).map(({ name, schema }) => ({
      properties: {
        train: { const: name },
        base: settings(schema),
        grid: values(schema),
        list: { items: settings(schema) },
      },
    })),
  };
}
