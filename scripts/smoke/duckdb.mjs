// Run with DuckDB's package beside it: reads the SQL of `ibt catalog` twice, a table of `ibt ls` in CSV and its lines of
// JSON. Writes the files that each knows: the same four counts, if all is well.
import { readFileSync } from 'node:fs'
import { DuckDBInstance } from '@duckdb/node-api'

const [sql, csv, json] = process.argv.slice(2)
const database = await (await DuckDBInstance.create(':memory:')).connect()
const ask = async query => (await database.runAndReadAll(query)).getRows().map(row => row.map(String).join(' '))
for (let i = 0; i < 2; i++) await database.run(readFileSync(sql, 'utf8'))
const counts = [
  ...(await ask('SELECT files FROM ibt_backups')),
  ...(await ask("SELECT count(*) FROM ibt_entries WHERE type = 'file' AND year(make_timestamp_ns(mtime_ns)) > 2000")),
  ...(await ask(`SELECT count(*) FROM read_csv('${csv}') WHERE type = 'file'`)),
  ...(await ask(`SELECT count(*) FROM read_json('${json}') WHERE type = 'file'`))
]
console.log(counts.join(' '))
