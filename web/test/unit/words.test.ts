import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { words } from '../../src/i18n/words';

const root = join(__dirname, '../../src');

function sources(dir: string): string[] {
  return readdirSync(dir, { withFileTypes: true }).flatMap((entry) => {
    const path = join(dir, entry.name);
    if (entry.isDirectory()) return sources(path);
    return /\.tsx?$/.test(entry.name) && !/^words|^help\.ts$/.test(entry.name) ? [readFileSync(path, 'utf8')] : [];
  });
}
const code = sources(root).join('\n');
const keys = Object.keys(words);

// One word for each thing (DESIGN 1): what must not be said, in either language.
const banned: [RegExp, string][] = [
  [/告警/, '报警'],
  [/断点续传/, '断网续传'],
  [/回填|补录/, '补传'],
  [/例外上报|异常上报/, '变化上报'],
  [/死带|静区/, '死区'],
  [/物模板|设备模型/, '物模型'],
  [/测点(?!位)|数据点/, '点位'],
  [/点位号|测点号/, '位号'],
  [/\balert\b/i, 'alarm'],
  [/\bdead ?zone\b/i, 'deadband'],
  [/登陆/, '登录'],
  [/帐号|帐户/, '账号'],
];

describe('words', () => {
  test('each group of settings has its word', () => {
    const keys = readFileSync(join(import.meta.dirname, '../../../src/main/keys.c'), 'utf8');
    const groups = [...keys.matchAll(/^ {4}\{"([a-z_]+)\.[a-z_.]+", SH_CONFIG/gm)].map((m) => m[1]);
    expect(new Set(groups).size).toBeGreaterThan(10);
    expect([...new Set(groups)].filter((group) => !(`settings.group.${group}` in words))).toEqual([]);
  });

  test.each(keys)('%s has both languages', (key) => {
    const [zh, en] = words[key as keyof typeof words];
    expect(zh.trim()).not.toBe('');
    expect(en.trim()).not.toBe('');
    // Examples of input may stand in both languages, sentences may not.
    if (!en.includes('|')) expect(en).not.toMatch(/[\u4e00-\u9fff]/);
    const holes = (text: string) => [...text.matchAll(/\{(\w+)\}/g)].map((m) => m[1]).sort();
    expect(holes(zh)).toEqual(holes(en));
  });

  test('no word is unused', () => {
    const prefixes = [...code.matchAll(/`([a-zA-Z.]+\.)\$\{/g)].map((m) => m[1] as string);
    const unused = keys.filter(
      (key) => !code.includes(`'${key}'`) && !prefixes.some((prefix) => key.startsWith(prefix)),
    );
    expect(unused).toEqual([]);
  });

  test('no word is missing', () => {
    const used = [...code.matchAll(/\bt\(\s*'([^']+)'/g)].map((m) => m[1] as string);
    expect(used.length).toBeGreaterThan(100);
    expect(used.filter((key) => !(key in words))).toEqual([]);
  });

  test('each thing has its one word', () => {
    const wrong = keys.flatMap((key) =>
      banned
        .filter(([pattern]) => words[key as keyof typeof words].some((text) => pattern.test(text)))
        .map(([, right]) => `${key}: say ${right}`),
    );
    expect(wrong).toEqual([]);
  });

  test('sources hold no Chinese outside of the word table', () => {
    const strings = code
      .split('\n')
      .filter((line) => /[\u4e00-\u9fff]/.test(line) && !/^\s*(\/\/|\*|\/\*)/.test(line))
      .filter((line) => !/中文|placeholder|templateCsv|1号循环泵|[，：；｜]\]/.test(line));
    expect(strings).toEqual([]);
  });
});
