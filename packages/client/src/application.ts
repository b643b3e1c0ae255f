import { judgeAnswer } from './verdict.js'

/**
 * Calls a function of the application, but not at once: it may call back.
 *
 * @throws AirlockError that says what became of it when it threw
 */
export function askApplication<Context, Answer> (question: (context: Context) => Answer | Promise<Answer>, context: Context): Promise<Answer> {
  return Promise.resolve(context).then(question).catch(error => { throw judgeAnswer(error) })
}
