// Put before the C library (LD_PRELOAD): the wall clock jumps by hours and by decades, back and
// forth, each time it is read. The monotonic clock stays as it is.

#define _GNU_SOURCE
#include <stdatomic.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define YEAR (365LL * 24 * 3600)

// The last is before 1970, where the clock's seconds are negative.
static const long long jumps[] = {0, 3600, -3600, 10 * YEAR, -10 * YEAR, 1000 * YEAR, -60 * YEAR};

int clock_gettime(clockid_t clock, struct timespec *at)
{
    static atomic_ulong reads;
    long failed = syscall(SYS_clock_gettime, clock, at);
    if (!failed && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        at->tv_sec += jumps[atomic_fetch_add(&reads, 1) % (sizeof jumps / sizeof *jumps)];
    return failed;
}
