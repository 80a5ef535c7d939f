export { abortable } from '../abortable.js'
