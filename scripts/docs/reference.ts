/**
 * The API reference, as Markdown: what each entry point of the package exports, from its declarations and docstrings. It is read with
 * TypeScript 6, installed beside ours under the name `typescript-6`: TypeScript 7 has no stable programming interface yet.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript-6';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** One way to import the package: `monosemantic/inference`. */
export interface EntryPoint {
  readonly name: string;
  /** Its source, from the root of the repository. */
  readonly file: string;
  /** Its page in docs/api/. */
  readonly page: string;
}

/** The entry points of package.json, as Node resolves them. */
export function entryPoints(): EntryPoint[] {
  const { exports } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
    exports: Record<string, string | { types?: string; default?: { types: string } }>;
  };
  return Object.entries(exports).flatMap(([path, target]) => {
    const types = typeof target === 'string' ? undefined : (target.types ?? target.default?.types);
    if (types === undefined) return [];
    const name = path === '.' ? 'monosemantic' : `monosemantic/${path.slice(2)}`;
    const file = types.replace(/^\.\/dist\//, 'src/').replace(/\.d\.ts$/, '.ts');
    return [{ name, file, page: `${name.replaceAll('/', '-')}.md` }];
  });
}

/** The API reference, and what the docstrings leave out. */
export interface Reference {
  /** Markdown by file name. */
  readonly pages: ReadonlyMap<string, string>;
  /** Exported names without a docstring: `monosemantic/files: readNpy`. */
  readonly undocumented: readonly string[];
  /** Errors that a function or method throws itself and its docstring does not name: `monosemantic: trainSae: DivergenceError`. */
  readonly unnamedErrors: readonly string[];
}

const KINDS = ['Functions', 'Classes', 'Interfaces', 'Types', 'Constants', 'Namespaces'] as const;
type Kind = (typeof KINDS)[number];

/** Reads the sources and writes the pages. It takes some seconds: TypeScript resolves every type. */
export function apiReference(): Reference {
  const entries = entryPoints();
  const configuration = ts.readConfigFile(join(ROOT, 'tsconfig.build.json'), ts.sys.readFile);
  const { options } = ts.parseJsonConfigFileContent(configuration.config, ts.sys, ROOT);
  const program = ts.createProgram(
    entries.map(({ file }) => join(ROOT, file)),
    { ...options, noEmit: true },
  );
  const checker = program.getTypeChecker();
  const undocumented: string[] = [];
  const unnamedErrors: string[] = [];
  const pages = new Map<string, string>();
  /** Where a name is described: on the page of the first entry point that exports it. */
  const described = new Map<ts.Symbol, { readonly page: string; readonly name: string }>();
  const contents: string[] = [];

  for (const { name: entry, file, page } of entries) {
    const source = program.getSourceFile(join(ROOT, file))!;
    const module = checker.getSymbolAtLocation(source)!;
    const sections = new Map<Kind, string[]>();
    const elsewhere: string[] = [];
    const exported = checker.getExportsOfModule(module).sort((a, b) => (a.name < b.name ? -1 : 1));
    for (const alias of exported) {
      const symbol = alias.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(alias) : alias;
      if (documentationOf(symbol, checker) === '') undocumented.push(`${entry}: ${alias.name}`);
      const first = described.get(symbol);
      if (first && first.page !== page) {
        elsewhere.push(`[\`${alias.name}\`](${first.page}#${anchor(first.name)})`);
        continue;
      }
      described.set(symbol, { page, name: alias.name });
      unnamedErrors.push(...errorsUnnamed(alias.name, symbol, checker).map(error => `${entry}: ${error}`));
      const kind = kindOf(symbol, checker);
      const list = sections.get(kind) ?? [];
      list.push(describe(alias.name, symbol, checker));
      sections.set(kind, list);
    }
    const parts = KINDS.filter(kind => sections.has(kind)).map(
      kind => `## ${kind}\n\n${sections.get(kind)!.join('\n\n')}`,
    );
    if (elsewhere.length > 0) parts.push(`## Also exported\n\n${elsewhere.join(', ')}`);
    const about = opening(source);
    pages.set(page, `# ${entry}\n\n${about}\n\n${parts.join('\n\n')}\n`);
    contents.push(`| [\`${entry}\`](${page}) | ${about.split('\n')[0]!.replaceAll('|', '\\|')} | ${exported.length} |`);
  }
  pages.set(
    'README.md',
    `# API reference\n\nWritten from the docstrings by \`npm run docs\`: edit those, not these pages.\n\n| import from | what | names |\n|---|---|---|\n${contents.join('\n')}\n`,
  );
  return { pages, undocumented, unnamedErrors };
}

/** GitHub's anchor of a heading that is one name. */
const anchor = (name: string): string => name.toLowerCase();

/** The comment that opens a file. */
function opening(source: ts.SourceFile): string {
  const comment = /^\/\*\*([\s\S]*?)\*\//.exec(source.text)?.[1] ?? '';
  return comment
    .split('\n')
    .map(line => line.replace(/^\s*\*?\s?/, ''))
    .join(' ')
    .replace(/\s+/g, ' ')
    .trim();
}

function kindOf(symbol: ts.Symbol, checker: ts.TypeChecker): Kind {
  const { flags } = symbol;
  if (flags & ts.SymbolFlags.Variable && checker.getTypeOfSymbol(symbol).getCallSignatures().length > 0)
    return 'Functions';
  if (flags & ts.SymbolFlags.Function) return 'Functions';
  if (flags & ts.SymbolFlags.Class) return 'Classes';
  if (flags & ts.SymbolFlags.Interface) return 'Interfaces';
  if (flags & ts.SymbolFlags.TypeAlias) return 'Types';
  return flags & ts.SymbolFlags.Variable ? 'Constants' : 'Namespaces';
}

/** A docstring on one line for each paragraph. */
function documentationOf(symbol: ts.Symbol, checker: ts.TypeChecker): string {
  return flat(ts.displayPartsToString(symbol.getDocumentationComment(checker)));
}

/** Paragraphs stay, and lists; the breaks of long lines go. */
function flat(text: string): string {
  return text
    .replace(/\r/g, '')
    .split(/\n\s*\n/)
    .map(paragraph => paragraph.replace(/\n(?!\s*[-|])\s*/g, ' ').trim())
    .join('\n\n')
    .replaceAll(/\{@link (\S+?)\}/g, '`$1`');
}

function tagsOf(symbol: ts.Symbol, checker: ts.TypeChecker): string[] {
  const lines: string[] = [];
  for (const { name, text } of symbol.getJsDocTags(checker)) {
    const words = flat(ts.displayPartsToString(text)).replace(/\n+/g, ' ');
    if (name === 'param') {
      const [, parameter = '', rest = ''] = /^(\S+)\s*(?:-\s*)?([\s\S]*)$/.exec(words) ?? [];
      lines.push(`- \`${parameter}\`: ${rest}`);
    } else if (name === 'returns' || name === 'return') lines.push(`- Returns: ${words.replace(/^-\s*/, '')}`);
    else if (name === 'throws') lines.push(`- Throws: ${words.replace(/^-\s*/, '')}`);
    else if (name === 'example') lines.push(`- Example: ${words}`);
  }
  return lines;
}

/** Errors that a function, or a method of a class, throws in its own body, where neither its docstring nor its class's names them. */
function errorsUnnamed(name: string, symbol: ts.Symbol, checker: ts.TypeChecker): string[] {
  const words = (of: ts.Symbol | undefined): string =>
    of ? [documentationOf(of, checker), ...tagsOf(of, checker)].join(' ') : '';
  return (symbol.declarations ?? []).flatMap(declaration => {
    if (ts.isFunctionDeclaration(declaration)) {
      return thrownIn(declaration.body)
        .filter(error => !words(symbol).includes(error))
        .map(error => `${name}: ${error}`);
    }
    if (!ts.isClassDeclaration(declaration)) return [];
    return declaration.members.flatMap(member => {
      if (!ts.isMethodDeclaration(member) && !ts.isConstructorDeclaration(member)) return [];
      if (ts.isMethodDeclaration(member) && ts.isPrivateIdentifier(member.name)) return [];
      const own = ts.isMethodDeclaration(member)
        ? words(checker.getSymbolAtLocation(member.name))
        : ts
            .getJSDocCommentsAndTags(member)
            .map(doc => doc.getText())
            .join(' ');
      return thrownIn(member.body)
        .filter(error => !own.includes(error) && !words(symbol).includes(error))
        .map(error => `${name}.${member.name ? codeOf(member.name) : 'constructor'}: ${error}`);
    });
  });
}

/** Classes of errors that a body throws by `throw new`, once each, without those of functions inside it. */
function thrownIn(body: ts.Node | undefined): string[] {
  const thrown = new Set<string>();
  const visit = (node: ts.Node): void => {
    if (ts.isFunctionLike(node)) return;
    if (ts.isThrowStatement(node) && ts.isNewExpression(node.expression))
      thrown.add(codeOf(node.expression.expression));
    ts.forEachChild(node, visit);
  };
  if (body) visit(body);
  return [...thrown];
}

/** A node as code, without comments and `export`. */
function printed(node: ts.Node, source: ts.SourceFile): string {
  return ts
    .createPrinter({ removeComments: true })
    .printNode(ts.EmitHint.Unspecified, node, source)
    .replace(/^export (default )?/, '')
    .replaceAll(/^( {4})+/gm, indent => ' '.repeat(indent.length / 2));
}

/** A node of the sources as code. */
const codeOf = (node: ts.Node): string => printed(node, node.getSourceFile());

/** A type that is inferred. Types of other files are named without their file. */
const typeText = (type: ts.Type, node: ts.Node, checker: ts.TypeChecker): string =>
  checker.typeToString(type, node, ts.TypeFormatFlags.NoTruncation).replaceAll(/import\("[^"]*"\)\./g, '');

const fence = (code: string): string => `\`\`\`ts\n${code}\n\`\`\``;

function describe(name: string, symbol: ts.Symbol, checker: ts.TypeChecker): string {
  const parts = [`### ${name}`];
  const words = documentationOf(symbol, checker);
  if (words !== '') parts.push(words);
  const declarations = symbol.declarations ?? [];
  const functions = declarations.filter(ts.isFunctionDeclaration);
  const overloads = functions.filter(({ body }) => body === undefined);
  for (const node of overloads.length > 0 ? overloads : functions) parts.push(fence(withoutBody(node)));
  for (const node of declarations) {
    if (ts.isTypeAliasDeclaration(node)) parts.push(fence(codeOf(node)));
    if (ts.isInterfaceDeclaration(node)) parts.push(fence(headOf(node)), ...membersOf(node, checker));
    if (ts.isClassDeclaration(node)) parts.push(fence(headOf(node)), ...membersOf(node, checker));
    if (ts.isVariableDeclaration(node)) {
      const type = node.type ? codeOf(node.type) : typeText(checker.getTypeAtLocation(node), node, checker);
      parts.push(fence(`const ${name}: ${type};`));
    }
  }
  const tags = tagsOf(symbol, checker);
  if (tags.length > 0) parts.push(tags.join('\n'));
  return parts.join('\n\n');
}

function withoutBody(node: ts.FunctionDeclaration): string {
  const bare = ts.factory.updateFunctionDeclaration(
    node,
    node.modifiers?.filter(({ kind }) => kind !== ts.SyntaxKind.AsyncKeyword),
    node.asteriskToken,
    node.name,
    node.typeParameters,
    node.parameters,
    node.type,
    undefined,
  );
  return printed(bare, node.getSourceFile());
}

/** `interface A<T> extends B`, without members. */
function headOf(node: ts.InterfaceDeclaration | ts.ClassDeclaration): string {
  const word = ts.isClassDeclaration(node) ? 'class' : 'interface';
  const generics = node.typeParameters ? `<${node.typeParameters.map(codeOf).join(', ')}>` : '';
  const heritage = (node.heritageClauses ?? []).map(clause => ` ${codeOf(clause)}`).join('');
  return `${word} ${node.name?.text ?? ''}${generics}${heritage}`;
}

function membersOf(node: ts.InterfaceDeclaration | ts.ClassDeclaration, checker: ts.TypeChecker): string[] {
  const lines: string[] = [];
  for (const member of node.members) {
    const modifiers = ts.canHaveModifiers(member) ? (ts.getModifiers(member) ?? []) : [];
    if (modifiers.some(({ kind }) => kind === ts.SyntaxKind.PrivateKeyword)) continue;
    if (member.name && ts.isPrivateIdentifier(member.name)) continue;
    const code = memberCode(member, checker);
    if (code === undefined) continue;
    const symbol = member.name && checker.getSymbolAtLocation(member.name);
    const words = symbol ? documentationOf(symbol, checker).replace(/\n+/g, ' ') : '';
    lines.push(`- \`${code}\`${words === '' ? '' : `: ${words}`}`);
    if (symbol) lines.push(...tagsOf(symbol, checker).map(line => `  ${line}`));
  }
  return lines.length === 0 ? [] : [lines.join('\n')];
}

/** One line: a property with its type, or a method with its signature. */
function memberCode(member: ts.Node, checker: ts.TypeChecker): string | undefined {
  const oneLine = (code: string): string =>
    code
      .replace(/\s+/g, ' ')
      .replace(/;$/, '')
      .replace(/^(public |override |declare |async )+/, '')
      .trim();
  const source = member.getSourceFile();
  if (ts.isPropertyDeclaration(member)) {
    const type = member.type ? codeOf(member.type) : typeText(checker.getTypeAtLocation(member), member, checker);
    const isReadonly = ts.getModifiers(member)?.some(({ kind }) => kind === ts.SyntaxKind.ReadonlyKeyword);
    return oneLine(`${isReadonly ? 'readonly ' : ''}${codeOf(member.name)}${member.questionToken ? '?' : ''}: ${type}`);
  }
  if (ts.isMethodDeclaration(member) || ts.isConstructorDeclaration(member)) {
    const name = ts.isConstructorDeclaration(member) ? 'constructor' : codeOf(member.name);
    const generics = member.typeParameters ? `<${member.typeParameters.map(codeOf).join(', ')}>` : '';
    const parameters = member.parameters.map(parameter => printed(parameter, source)).join(', ');
    return oneLine(`${name}${generics}(${parameters})${member.type ? `: ${codeOf(member.type)}` : ''}`);
  }
  if (ts.isGetAccessorDeclaration(member)) {
    const type = member.type ? codeOf(member.type) : typeText(checker.getTypeAtLocation(member), member, checker);
    return oneLine(`get ${codeOf(member.name)}(): ${type}`);
  }
  if (ts.isSetAccessorDeclaration(member) || ts.isClassStaticBlockDeclaration(member)) return undefined;
  return oneLine(codeOf(member));
}
