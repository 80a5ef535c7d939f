import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { Desk } from '../helpers/desk.js'
import { run } from '../helpers/judges.js'
import { oracle } from '../helpers/oracle.js'
import { ODD_NAMES } from '../helpers/tree.js'

const sqlite = (desk: Desk, ...args: string[]) => String(run('sqlite3', [desk.at('catalog.db'), ...args]))

/** What SQLite has of a query. */
function rows(desk: Desk, query: string): Record<string, unknown>[] {
  return JSON.parse(String(run('sqlite3', ['-json', desk.at('catalog.db'), query])) || '[]')
}

test('ls, list and find write CSV that SQLite reads, with every odd name', oracle('sqlite3'), t => {
  const desk = new Desk(t)
  mkdirSync(desk.at('src'))
  for (const name of ODD_NAMES)
    writeFileSync(Buffer.concat([Buffer.from(`${desk.at('src')}/`), Buffer.from(name)]), 'x')
  desk.ibt('full', 'src')
  for (const [table, args] of Object.entries({ ls: ['ls', 'src'], list: ['list'], find: ['find', '**'] })) {
    const listed = desk.ibt(...args, '--json').stdout
    const objects = listed
      .trim()
      .split('\n')
      .map(line => JSON.parse(line))
    assert.equal(desk.ibt(...args, '--format', 'ndjson').stdout, listed)
    const csv = desk.ibt(...args, '--format', 'csv')
    assert.equal(csv.status, 0, csv.stderr)
    writeFileSync(desk.at(`${table}.csv`), csv.stdout)
    sqlite(desk, '-cmd', '.mode csv', '-cmd', `.import '${desk.at(`${table}.csv`)}' ${table}`, 'select 1')
    const read = rows(desk, `select * from ${table}`)
    assert.equal(read.length, objects.length)
    for (const [i, row] of read.entries()) {
      for (const [name, cell] of Object.entries(row)) {
        // The counts of a backup are in an object.
        const value = objects[i][name] ?? objects[i].totals?.[name] ?? ''
        assert.equal(cell, String(value), `${table} ${i} ${name}`)
      }
    }
  }
  const head = 'key,first,last,backups,isCurrent,path,'
  assert.ok(desk.ibt('find', 'nosuch', '--format', 'csv').stdout.startsWith(head), 'a table without rows has its head')
  assert.equal(desk.ibt('ls', 'src', '--format', 'xml').status, 2)
})

test('catalog is SQL that says what was there at each date', oracle('sqlite3'), t => {
  const desk = new Desk(t)
  mkdirSync(desk.at('src'))
  writeFileSync(desk.at("src/it's"), 'one')
  desk.ibt('full', 'src')
  writeFileSync(desk.at("src/it's"), 'two!')
  writeFileSync(desk.at('src/new\nline'), '')
  desk.ibt('incremental', 'src')
  desk.ibt('full', 'src', '--key', 'other')
  writeFileSync(desk.at('catalog.sql'), desk.ibt('catalog').stdout)
  // A second run makes the tables anew.
  for (const _ of [1, 2]) sqlite(desk, `.read '${desk.at('catalog.sql')}'`)
  const backups = rows(desk, 'select key, date, kind, parent, files, size_bytes from ibt_backups')
  assert.deepEqual(
    backups.map(({ key, kind, files, size_bytes }) => [key, kind, files, size_bytes]),
    [
      ['other', 'full', 2, 4],
      ['src', 'full', 1, 3],
      ['src', 'incremental', 2, 4]
    ]
  )
  assert.equal(backups[2]!.parent, backups[1]!.date)
  for (const { key, date } of backups) {
    const then = `key = '${key}' and first <= '${date}' and last >= '${date}'`
    const found = rows(desk, `select path, type, size_bytes, mtime_ns, sha256 from ibt_entries where ${then}`)
    const listed = desk.ibt('ls', String(key), '--at', String(date), '--json').stdout.trim().split('\n')
    const expected = listed.map(line => {
      const { path, type, sizeBytes, sha256 } = JSON.parse(line)
      return [path, type, sizeBytes ?? null, sha256 ?? null]
    })
    assert.deepEqual(
      found.map(({ path, type, size_bytes, sha256 }) => [path, type, size_bytes, sha256]),
      expected
    )
  }
  // Bytes that were cut off do not replace the tables.
  writeFileSync(desk.at('cut.sql'), desk.ibt('catalog', 'other').stdout.replace('COMMIT;\n', ''))
  sqlite(desk, `.read '${desk.at('cut.sql')}'`)
  assert.equal(rows(desk, 'select * from ibt_backups').length, 3)
})
