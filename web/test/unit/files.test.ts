import { describe, expect, test } from 'vitest';
import { kindOf } from '../../src/components/files/upload';

describe('the kind of a file by its name', () => {
  test.each([
    ['pump.PDF', 'manual'],
    ['P&ID-3.dwg', 'drawing'],
    ['IMG_1.jpeg', 'photo'],
    ['device.crt', 'certificate'],
    ['合格证-3.pdf', 'certificate'],
    ['检测报告.docx', 'report'],
    ['report 2026.pdf', 'report'],
    ['values.bin', 'other'],
    ['README', 'other'],
  ])('%s is %s', (name, kind) => expect(kindOf(name)).toBe(kind));
});
