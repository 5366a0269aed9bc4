/* Another clock for a process: ahead or behind by some seconds, or set back and forth.
 *
 * It is loaded by LD_PRELOAD and shows the machine's time until `set_clock` is called. The clocks
 * that nobody sets go on as they do.
 */
#define _GNU_SOURCE
#include <stdatomic.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static long ahead;
static int jumping;
static atomic_long looks;

/* From now on the clock is so many seconds ahead; where it jumps, at every other look. */
void set_clock(long seconds, int jumps) {
  ahead = seconds;
  jumping = jumps;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
  int result = syscall(SYS_clock_gettime, clock, now);
  int is_set = clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE;
  if (!result && is_set && !(jumping && atomic_fetch_add(&looks, 1) % 2)) now->tv_sec += ahead;
  return result;
}

int gettimeofday(struct timeval *now, void *zone) {
  struct timespec at;
  int result = clock_gettime(CLOCK_REALTIME, &at);
  now->tv_sec = at.tv_sec;
  now->tv_usec = at.tv_nsec / 1000;
  return result;
}

time_t time(time_t *into) {
  struct timespec at;
  clock_gettime(CLOCK_REALTIME, &at);
  if (into) *into = at.tv_sec;
  return at.tv_sec;
}
