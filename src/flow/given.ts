/**
 * A base class whose constructor gives back the object that it is given, so that a private field of a class goes onto a
 * plain object. No copy of the object has the field: whoever changes something makes a copy.
 */
export class Given {
  constructor(object: object) {
    // biome-ignore lint/correctness/noConstructorReturn: that is what this class is for
    return object
  }
}
