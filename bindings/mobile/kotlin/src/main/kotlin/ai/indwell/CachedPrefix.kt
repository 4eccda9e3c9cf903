// A prefix that is kept. Owns the life of the native prefix: who gives it up, when, and who frees it.

package ai.indwell

import ai.indwell.ffi.NativePrefix
import kotlinx.coroutines.coroutineScope

/**
 * The beginning of chats, computed and kept at hand until this is closed: for the requests that begin with it.
 *
 * It is the last thing to give way when memory is short. Where it must, it is restored at the next request that begins
 * with it, if there is a host tier.
 *
 * A handle keeps nothing of its engine open, and is harmless when the engine is closed. One that is no longer referenced
 * is unpinned when the garbage collector finds it.
 *
 * @property tokens how many it has, those of the chat template included
 */
public class CachedPrefix internal constructor(private val native: NativePrefix, public val tokens: Int) : AutoCloseable {

    /**
     * Lets go of it: it stays cached as any other prefix, and gives way as one. A second call does nothing. Never blocks.
     */
    public fun unpin(): Unit = native.destroy()

    /** As [unpin]. */
    override fun close(): Unit = unpin()

    override fun toString(): String = "CachedPrefix($tokens tokens)"
}

/** Waits until what was submitted is cached. Gives it up where its caller leaves before that. */
internal suspend fun awaitPrefix(submit: () -> NativePrefix): CachedPrefix {
    val native = callNative(submit)
    try {
        val tokens = coroutineScope {
            val watch = whenThisScopeEnds { native.cancel() }
            awaitNative { native.cached() }.also { watch.cancel() }
        }
        return CachedPrefix(native, tokens.toInt())
    } catch (failure: Throwable) {
        native.destroy()
        if (failure is IndwellException) JvmExit.suspendIfUnderway()
        throw failure
    }
}
