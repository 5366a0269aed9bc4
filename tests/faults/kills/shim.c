/* Counts a process's calls that change files below a folder, and kills it at one of them, or lets
 * these calls fail, or moves a folder away.
 *
 * It is loaded by LD_PRELOAD and does nothing until `kill_at` is called. What libc calls inside
 * itself passes it by, so streams are counted at fopen, fwrite, fflush and fclose.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { BEFORE, AFTER, HALF };
/* What becomes of a call: it is made, made and the process dies, or it fails. */
enum { MADE, DIES, FAILS };

static char root[PATH_MAX];
static size_t root_length;
static long target;
static int mode, list = -1, cannot_exchange;
static int failure;
static char kinds[256], lost[PATH_MAX], aside[PATH_MAX];
static pid_t armed;
static atomic_long count;

/* The process that calls it is killed at its `number`-th call from now on, 0 for none.
 * Each call is written to the descriptor `log`, unless it is -1. */
void kill_at(const char *folder, long number, int when, int log, int no_exchange) {
  strncpy(root, folder, sizeof root - 1);
  root_length = strlen(root);
  target = number;
  mode = when;
  list = log;
  cannot_exchange = no_exchange;
  count = 0;
  armed = getpid();
}

/* Instead of that, calls of some kinds fail from then on, in the processes that it forks too. */
void fail_at(int error, const char *which) {
  failure = error;
  strncpy(kinds, which, sizeof kinds - 1);
}

/* Instead of that, a folder is moved away. */
void lose_at(const char *folder, const char *to) {
  strncpy(lost, folder, sizeof lost - 1);
  strncpy(aside, to, sizeof aside - 1);
}

static int is_armed(void) { return failure ? armed != 0 : armed == getpid(); }

static void die(void) {
  syscall(SYS_kill, getpid(), SIGKILL);
  for (;;) pause();
}

static int is_inside(const char *path) {
  return !strncmp(path, root, root_length) && (path[root_length] == '/' || !path[root_length]);
}

/* The path that a descriptor leads to; empty if there is none. */
static const char *path_of(int descriptor, char *into) {
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
  ssize_t length = readlink(link, into, PATH_MAX - 1);
  into[length > 0 ? length : 0] = 0;
  return into;
}

static const char *resolved(int folder, const char *path, char *into) {
  if (path[0] == '/') return path;
  char base[PATH_MAX] = "";
  if (folder == AT_FDCWD) {
    if (!getcwd(base, sizeof base)) base[0] = 0;
  } else {
    path_of(folder, base);
  }
  snprintf(into, 2 * PATH_MAX, "%s/%s", base, path);
  return into;
}

/* Counts a call on an absolute path. */
static int counted(const char *call, const char *path) {
  if (!is_armed() || !is_inside(path)) return MADE;
  long number = atomic_fetch_add(&count, 1) + 1;
  if (list >= 0) {
    char text[PATH_MAX + 64];
    int length = snprintf(text, sizeof text, "%s %s\n", call, path + root_length);
    syscall(SYS_write, list, text, length);
  }
  if (failure) return target && number >= target && strstr(kinds, call) ? FAILS : MADE;
  if (number != target) return MADE;
  if (lost[0]) {
    syscall(SYS_renameat2, AT_FDCWD, lost, AT_FDCWD, aside, 0);
    return MADE;
  }
  if (mode == BEFORE) die();
  return DIES;
}

static int at(const char *call, int folder, const char *path) {
  if (!is_armed()) return MADE;
  char into[2 * PATH_MAX];
  return counted(call, resolved(folder, path, into));
}

static int on(const char *call, int descriptor) {
  if (!is_armed()) return MADE;
  int before = errno;
  char into[PATH_MAX];
  int then = counted(call, path_of(descriptor, into));
  errno = before;
  return then;
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define FAILED(type) \
  (errno = failure, (type)(long)(__builtin_types_compatible_p(type, FILE *) ? 0 : -1))
#define ENDED(then, result)  \
  do {                       \
    if (then == DIES) die(); \
    return result;           \
  } while (0)
#define WRAP(type, name, parameters, arguments, counting) \
  type name parameters {                                  \
    int then = counting;                                  \
    if (then == FAILS) return FAILED(type);               \
    type result = NEXT(name) arguments;                   \
    ENDED(then, result);                                  \
  }

WRAP(int, rename, (const char *a, const char *b), (a, b), at("rename", AT_FDCWD, b))
WRAP(int, renameat, (int c, const char *a, int d, const char *b), (c, a, d, b),
     at("rename", d, b))
WRAP(int, link, (const char *a, const char *b), (a, b), at("link", AT_FDCWD, b))
WRAP(int, linkat, (int c, const char *a, int d, const char *b, int f), (c, a, d, b, f),
     at("link", d, b))
WRAP(int, symlink, (const char *a, const char *b), (a, b), at("symlink", AT_FDCWD, b))
WRAP(int, symlinkat, (const char *a, int d, const char *b), (a, d, b), at("symlink", d, b))
WRAP(int, unlink, (const char *a), (a), at("unlink", AT_FDCWD, a))
WRAP(int, unlinkat, (int d, const char *a, int f), (d, a, f), at("unlink", d, a))
WRAP(int, remove, (const char *a), (a), at("unlink", AT_FDCWD, a))
WRAP(int, mkdir, (const char *a, mode_t m), (a, m), at("mkdir", AT_FDCWD, a))
WRAP(int, mkdirat, (int d, const char *a, mode_t m), (d, a, m), at("mkdir", d, a))
WRAP(int, rmdir, (const char *a), (a), at("rmdir", AT_FDCWD, a))
WRAP(int, chmod, (const char *a, mode_t m), (a, m), at("chmod", AT_FDCWD, a))
WRAP(int, fchmod, (int d, mode_t m), (d, m), on("chmod", d))
WRAP(int, utimensat, (int d, const char *a, const struct timespec t[2], int f), (d, a, t, f),
     at("utime", d, a))
WRAP(int, truncate, (const char *a, off_t n), (a, n), at("truncate", AT_FDCWD, a))
WRAP(int, truncate64, (const char *a, off64_t n), (a, n), at("truncate", AT_FDCWD, a))
WRAP(int, ftruncate, (int d, off_t n), (d, n), on("truncate", d))
WRAP(int, ftruncate64, (int d, off64_t n), (d, n), on("truncate", d))
WRAP(int, fsync, (int d), (d), on("fsync", d))
WRAP(int, fdatasync, (int d), (d), on("fsync", d))
WRAP(ssize_t, writev, (int d, const struct iovec *v, int n), (d, v, n), on("write", d))

int renameat2(int c, const char *a, int d, const char *b, unsigned f) {
  if (cannot_exchange && is_armed()) {
    errno = EINVAL;
    return -1;
  }
  int then = at("exchange", d, b);
  if (then == FAILS) return FAILED(int);
  int result = syscall(SYS_renameat2, c, a, d, b, f);
  ENDED(then, result);
}

/* Of these, the first half is written where the process is to die in the middle. */
#define WRAP_WRITE(name, parameters, arguments, half)             \
  ssize_t name parameters {                                       \
    int then = on("write", d);                                    \
    if (then == FAILS) return FAILED(ssize_t);                    \
    if (then == DIES && mode == HALF) {                           \
      NEXT(name) half;                                            \
      die();                                                      \
    }                                                             \
    ssize_t result = NEXT(name) arguments;                        \
    ENDED(then, result);                                          \
  }
WRAP_WRITE(write, (int d, const void *b, size_t n), (d, b, n), (d, b, n / 2))
WRAP_WRITE(pwrite, (int d, const void *b, size_t n, off_t o), (d, b, n, o), (d, b, n / 2, o))
WRAP_WRITE(pwrite64, (int d, const void *b, size_t n, off64_t o), (d, b, n, o), (d, b, n / 2, o))
#define sendfile sendfile_
#define sendfile64 sendfile64_
#include <sys/sendfile.h>
#undef sendfile
#undef sendfile64
ssize_t sendfile(int, int, off_t *, size_t);
ssize_t sendfile64(int, int, off64_t *, size_t);
WRAP_WRITE(sendfile, (int d, int s, off_t *o, size_t n), (d, s, o, n), (d, s, o, n / 2))
WRAP_WRITE(sendfile64, (int d, int s, off64_t *o, size_t n), (d, s, o, n), (d, s, o, n / 2))
ssize_t copy_file_range(int s, off64_t *i, int d, off64_t *o, size_t n, unsigned f) {
  int then = on("write", d);
  if (then == FAILS) return FAILED(ssize_t);
  size_t part = then == DIES && mode == HALF ? n / 2 : n;
  ssize_t result = NEXT(copy_file_range)(s, i, d, o, part, f);
  ENDED(then, result);
}

/* Of these, only what can change a file. */
#define CHANGES (O_WRONLY | O_RDWR | O_CREAT | O_TRUNC)
#define WRAP_OPEN(name, parameters, folder, arguments, last)      \
  int name parameters {                                           \
    mode_t m = 0;                                                 \
    if (f & (O_CREAT | __O_TMPFILE)) {                            \
      va_list more;                                               \
      va_start(more, last);                                       \
      m = va_arg(more, mode_t);                                   \
      va_end(more);                                               \
    }                                                             \
    int then = f & CHANGES ? at("open", folder, a) : MADE;        \
    if (then == FAILS) return FAILED(int);                        \
    int result = NEXT(name) arguments;                            \
    ENDED(then, result);                                          \
  }
WRAP_OPEN(open, (const char *a, int f, ...), AT_FDCWD, (a, f, m), f)
WRAP_OPEN(open64, (const char *a, int f, ...), AT_FDCWD, (a, f, m), f)
WRAP_OPEN(openat, (int d, const char *a, int f, ...), d, (d, a, f, m), f)
WRAP_OPEN(openat64, (int d, const char *a, int f, ...), d, (d, a, f, m), f)
WRAP(int, creat, (const char *a, mode_t m), (a, m), at("open", AT_FDCWD, a))
WRAP(FILE *, fopen, (const char *a, const char *f), (a, f),
     strpbrk(f, "wa+") ? at("open", AT_FDCWD, a) : MADE)
WRAP(FILE *, fopen64, (const char *a, const char *f), (a, f),
     strpbrk(f, "wa+") ? at("open", AT_FDCWD, a) : MADE)

static int writes(FILE *stream) {
  int flags = stream && is_armed() ? fcntl(fileno(stream), F_GETFL) : -1;
  return flags >= 0 && (flags & O_ACCMODE) != O_RDONLY;
}
WRAP(int, fflush, (FILE *s), (s), writes(s) ? on("write", fileno(s)) : MADE)
int fclose(FILE *s) {
  int then = writes(s) ? on("write", fileno(s)) : MADE;
  int result = NEXT(fclose)(s);
  if (then == FAILS) return FAILED(int);
  ENDED(then, result);
}
size_t fwrite(const void *b, size_t n, size_t k, FILE *s) {
  int then = writes(s) ? on("write", fileno(s)) : MADE;
  if (then == FAILS) {
    errno = failure;
    return 0;
  }
  if (then == DIES && mode == HALF) {
    NEXT(fwrite)(b, n, k / 2, s);
    NEXT(fflush)(s);
    die();
  }
  size_t result = NEXT(fwrite)(b, n, k, s);
  ENDED(then, result);
}
