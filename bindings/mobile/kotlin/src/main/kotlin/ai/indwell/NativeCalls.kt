// How the native library is called: its exceptions become IndwellException, and nobody's code runs on its threads.

package ai.indwell

import ai.indwell.ffi.InternalException
import ai.indwell.ffi.NativeException
import ai.indwell.ffi.nativeCloseAll
import ai.indwell.ffi.uniffiCallbackInterfaceNativeSemanticFunctions
import ai.indwell.ffi.uniffiRustFutureContinuationCallbackImpl
import com.sun.jna.CallbackThreadInitializer
import com.sun.jna.Native
import kotlinx.coroutines.CoroutineDispatcher
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.CoroutineStart
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.Job
import kotlinx.coroutines.awaitCancellation
import kotlinx.coroutines.currentCoroutineContext
import kotlinx.coroutines.launch
import kotlinx.coroutines.withContext
import kotlin.coroutines.ContinuationInterceptor

/** Calls the native library. */
internal inline fun <T> callNative(call: () -> T): T {
    NativeLibrary.prepare()
    try {
        return call()
    } catch (failure: NativeException) {
        throw failure.toIndwellException()
    } catch (panic: InternalException) {
        throw IndwellException.Internal(panic.message ?: "the native library panicked")
    }
}

/**
 * Calls the native library and suspends until it answers.
 *
 * It answers from a thread of the engine. A coroutine with a dispatcher goes on there; one without (`suspend fun
 * main`, `Dispatchers.Unconfined`) would go on inside the engine and hold it up, so its call is made from another.
 */
internal suspend fun <T> awaitNative(call: suspend () -> T): T {
    val context = currentCoroutineContext()
    val dispatcher = context[ContinuationInterceptor] as? CoroutineDispatcher
    val leavesTheEngine = dispatcher != null && dispatcher.isDispatchNeeded(context)
    return callNative { if (leavesTheEngine) call() else withContext(Dispatchers.Default) { call() } }
}

/**
 * Calls [cancel] the moment that this scope is cancelled, whatever its coroutine is doing, and when it ends otherwise,
 * or the job that this returns is cancelled.
 */
internal fun CoroutineScope.whenThisScopeEnds(cancel: () -> Unit): Job =
    launch(Dispatchers.Unconfined, CoroutineStart.UNDISPATCHED) {
        try {
            awaitCancellation()
        } finally {
            cancel()
        }
    }

/** What is set up once, before the first call. */
internal object NativeLibrary {
    init {
        // The engine's thread wakes coroutines many times a second. It stays attached to the JVM, which costs much more
        // than a wake, and as a daemon, which does not keep the JVM alive.
        Native.setCallbackThreadInitializer(
            uniffiRustFutureContinuationCallbackImpl,
            CallbackThreadInitializer(true, false, "indwell-engine"),
        )
        // So do those that call a Semantic's functions, of which one may never return.
        val asking = CallbackThreadInitializer(true, false, "indwell-asking")
        Native.setCallbackThreadInitializer(uniffiCallbackInterfaceNativeSemanticFunctions.embed, asking)
        Native.setCallbackThreadInitializer(uniffiCallbackInterfaceNativeSemanticFunctions.verify, asking)
        Native.setCallbackThreadInitializer(
            uniffiCallbackInterfaceNativeSemanticFunctions.uniffiFree,
            CallbackThreadInitializer(true, false, "indwell"),
        )
        Runtime.getRuntime().addShutdownHook(Thread(JvmExit, "indwell-exit"))
    }

    /** Runs the set-up if it has not run. */
    fun prepare(): Unit = Unit
}

/** Closes every engine when the JVM exits: what follows unloads llama.cpp, and no engine may be in a step then. */
internal object JvmExit : Runnable {
    @Volatile
    private var underway = false

    override fun run() {
        underway = true
        nativeCloseAll()
    }

    /** Requests that end because the process does have nobody to tell: their coroutines end with the process. */
    suspend fun suspendIfUnderway() {
        if (underway) awaitCancellation()
    }
}
