// The program that CloseTest runs: leaves the JVM while streams are open and a reader waits.

package ai.indwell

import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.DelicateCoroutinesApi
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.GlobalScope
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking
import kotlin.system.exitProcess

/** Leaves as its one argument says. */
@OptIn(DelicateCoroutinesApi::class)
fun main(arguments: Array<String>) {
    val how = arguments.single()
    runBlocking {
        if (how == "halfway through a load") {
            val loading = CompletableDeferred<Unit>()
            GlobalScope.launch { Engine.load(testModel) { loading.complete(Unit) } }
            loading.await()
        } else {
            val small = Engine.load(testModel, EngineOptions(contextTokens = 2048, threads = 1))
            val reading = List(4) { CompletableDeferred<Unit>() }
            for (started in reading) {
                GlobalScope.launch(Dispatchers.Default) {
                    small.chat(STORY, longAnswer).collect { started.complete(Unit) }
                }
            }
            for (started in reading) started.await()
        }
    }
    println("leaving")
    if (how == "exit") exitProcess(0)
}
