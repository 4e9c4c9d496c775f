import { describe, expect, test } from 'vitest';
import { targetOf } from '../../src/pages/devices/bulk';
import { chosenColumns, columnsText, USUAL } from '../../src/pages/devices/columns';
import { refusedCsv } from '../../src/pages/devices/importFile';
import { choose, howMany, isChosen, NOTHING } from '../../src/pages/devices/selection';
import { viewPath, viewQuery } from '../../src/pages/devices/Views';

describe('selection', () => {
  test('some by id, or all but some', () => {
    const some = choose(NOTHING, ['a', 'b'], true);
    expect([isChosen(some, 'a'), isChosen(some, 'c'), howMany(some, 100)]).toEqual([true, false, 2]);
    const all = choose({ all: true, ids: new Set() }, ['a'], false);
    expect([isChosen(all, 'a'), isChosen(all, 'c'), howMany(all, 100)]).toEqual([false, true, 99]);
    expect(howMany(choose(all, ['a'], true), 100)).toBe(100);
    expect(targetOf(some, { q: 'x' })).toEqual({ ids: ['a', 'b'] });
    expect(targetOf(all, { q: 'x', state: null })).toEqual({ filter: { q: 'x' }, except: ['a'] });
  });
});

describe('columns and views', () => {
  test('columns stand in the address', () => {
    expect(chosenColumns(null)).toEqual(USUAL);
    expect(chosenColumns('name,nosuch,since')).toEqual(['id', 'name', 'since']);
    expect(columnsText([...USUAL].reverse())).toBeNull();
    expect(columnsText(['since', 'name'])).toBe('id,name,since');
  });
  test('a view keeps what makes the list, and comes back as an address', () => {
    const query = viewQuery(new URLSearchParams('q=p&label=a:b&view=1&new=1&sort=-name'));
    expect(query).toEqual({ q: 'p', label: 'a:b', sort: '-name' });
    const path = viewPath({ id: 'v 1', name: 'n', shared: false, mine: true, query: { ...query, evil: 'x' } });
    expect(path).toBe('/devices?view=v+1&q=p&label=a%3Ab&sort=-name');
  });
  test('what was refused, as a file that no spreadsheet runs', () => {
    expect(refusedCsv([{ id: '=1+2', code: 'x', detail: 'a, b' }])).toBe('\ufeffid,code,detail\r\n\'=1+2,x,"a, b"\r\n');
  });
});
