import { compose } from '../interop/compose.js'
import type { Source, Stage } from '../types.js'

/**
 * Stages that take the place of a pipeline's own, by name: a record of them, or a function that is given the pipeline's
 * own and returns such a record.
 */
export type StagesOption<Stages> = SomeStages<Stages> | ((defaults: Stages) => SomeStages<Stages>)

/** Some of the stages of a pipeline. */
export type SomeStages<Stages> = { readonly [Name in keyof Stages]?: Stages[Name] | undefined }

interface Filtered {
  // biome-ignore lint/suspicious/noExplicitAny: of whatever entries
  readonly filter: Stage<any>
}

/**
 * The stages of a pipeline, some of them replaced. `select` drops what is not wanted: a `filter` that is replaced does not
 * switch it off.
 *
 * @throws TypeError for a name that is not one of the pipeline's stages: the stage would never run.
 */
export function chooseStages<Stages extends Filtered>(
  defaults: Stages,
  option: StagesOption<Stages> | undefined,
  select: Stages['filter']
): Stages {
  const stages = { ...defaults, ...given(defaults, typeof option === 'function' ? option(defaults) : (option ?? {})) }
  return stages.filter === defaults.filter ? stages : { ...stages, filter: compose(select, stages.filter) }
}

function given(defaults: object, chosen: object): object {
  if (typeof chosen !== 'object' || chosen === null || 'then' in chosen || Symbol.iterator in chosen) {
    throw new TypeError('stages: a record of stages, or a function that returns one, is expected')
  }
  const entries = Object.entries(chosen).filter(([, stage]) => stage !== undefined)
  for (const [name] of entries) {
    if (name in defaults) continue
    const names = Object.keys(defaults).join(', ')
    throw new TypeError(`stages: '${name}' is not a stage of this pipeline, which has ${names}`)
  }
  return Object.fromEntries(entries)
}

/** A stage that changes nothing, and costs nothing in a pipeline, where every source is a generator already. */
export function passAll<T>(source: Source<T>): AsyncGenerator<T, void, undefined> {
  return 'next' in source ? (source as AsyncGenerator<T, void, undefined>) : passEach(source)
}

async function* passEach<T>(source: Source<T>): AsyncGenerator<T, void, undefined> {
  yield* source
}
