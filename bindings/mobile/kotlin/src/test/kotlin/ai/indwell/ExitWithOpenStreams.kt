// The program that CloseTest runs: leaves the JVM while streams are open and a reader waits.

package ai.indwell

import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.DelicateCoroutinesApi
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.GlobalScope
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking
import java.util.concurrent.CountDownLatch
import kotlin.system.exitProcess
import kotlin.time.Duration.Companion.hours

/** Has the engine call a function that never returns. */
@OptIn(DelicateCoroutinesApi::class)
private suspend fun Engine.askForEver() {
    val asked = CompletableDeferred<Unit>()
    val embed: suspend (String) -> FloatArray = {
        asked.complete(Unit)
        CountDownLatch(1).await()
        floatArrayOf(1f)
    }
    val semantic = Semantic(distanceMax = 1.0, embed, verify = { true }, timeout = 1.hours)
    GlobalScope.launch(Dispatchers.Default) { chat(STORY, RequestOptions(semantic = semantic)).collect {} }
    asked.await()
}

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
            val small = loadKeeping()
            // Each computes an answer of its own.
            val reading = List(4) { CompletableDeferred<Unit>() }
            for ((index, started) in reading.withIndex()) {
                GlobalScope.launch(Dispatchers.Default) {
                    small.chat("$STORY $index", longAnswer).collect { started.complete(Unit) }
                }
            }
            for (started in reading) started.await()
            if (how == "in a function of semantic mode") small.askForEver()
        }
    }
    println("leaving")
    if (how == "exit") exitProcess(0)
}
