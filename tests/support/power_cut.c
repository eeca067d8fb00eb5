/* Remembers what one process has written and not yet brought to the disk: loaded with LD_PRELOAD before the C library.
 *
 * For each file in FROSTLINE_POWER_FOLDER there may be one of the same name in FROSTLINE_POWER_NOTES. A record is put
 * there before each write, and all of them go when fsync or fdatasync of the file has succeeded:
 *
 *     where i64, how many old bytes follow i64, length of the file i64, the old bytes
 *
 * Who undoes the records, last one first, has the file as a disk has it that was switched off. A record that does not
 * fit on a full disk is left out: that write then counts as durable. The empty file `<name>.made` says that the name is
 * not durable yet; it goes with the records, or when the folder is brought to the disk.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct record {
    int64_t where, old, length;
};

static char folder[PATH_MAX], notes[PATH_MAX];
static size_t folder_length;
static pthread_mutex_t one = PTHREAD_MUTEX_INITIALIZER;

static ssize_t (*real_write)(int, const void *, size_t);
static ssize_t (*real_pwrite)(int, const void *, size_t, off64_t);
static int (*real_truncate)(int, off64_t);
static int (*real_fsync)(int), (*real_fdatasync)(int);
static int (*real_open)(const char *, int, ...), (*real_openat)(int, const char *, int, ...);
static int (*real_unlink)(const char *), (*real_rename)(const char *, const char *);

__attribute__((constructor)) static void begin(void)
{
    const char *which = getenv("FROSTLINE_POWER_FOLDER"), *where = getenv("FROSTLINE_POWER_NOTES");
    real_write = (ssize_t (*)(int, const void *, size_t))dlsym(RTLD_NEXT, "write");
    real_pwrite = (ssize_t (*)(int, const void *, size_t, off64_t))dlsym(RTLD_NEXT, "pwrite64");
    real_truncate = (int (*)(int, off64_t))dlsym(RTLD_NEXT, "ftruncate64");
    real_fsync = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
    real_fdatasync = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    real_open = (int (*)(const char *, int, ...))dlsym(RTLD_NEXT, "open64");
    real_openat = (int (*)(int, const char *, int, ...))dlsym(RTLD_NEXT, "openat64");
    real_unlink = (int (*)(const char *))dlsym(RTLD_NEXT, "unlink");
    real_rename = (int (*)(const char *, const char *))dlsym(RTLD_NEXT, "rename");
    if (which && where) {
        folder_length = (size_t)snprintf(folder, sizeof folder, "%s/", which);
        snprintf(notes, sizeof notes, "%s", where);
    }
}

/* Where the records of a file are; 0 if it is none of ours. */
static int noted(const char *path, char *found)
{
    if (!folder_length || strncmp(path, folder, folder_length) || strchr(path + folder_length, '/'))
        return 0;
    return snprintf(found, PATH_MAX, "%s/%s", notes, path + folder_length) < PATH_MAX;
}

static int noted_file(int file, char *found)
{
    char link[64], path[PATH_MAX];
    if (!folder_length)
        return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0)
        return 0;
    path[length] = 0;
    return noted(path, found);
}

static void put(const char *where, const struct record *record, const void *old)
{
    int file = real_open(where, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    struct stat before;
    if (file < 0)
        return;
    if (!fstat(file, &before)) {
        size_t size = sizeof *record + (size_t)record->old;
        char *whole = malloc(size);
        memcpy(whole, record, sizeof *record);
        if (record->old)
            memcpy(whole + sizeof *record, old, (size_t)record->old);
        if (real_write(file, whole, size) != (ssize_t)size)
            real_truncate(file, before.st_size);
        free(whole);
    }
    close(file);
}

/* Before the bytes from `where` on, `most` of them, change. */
static void note(int file, const char *record_path, int64_t where, int64_t most)
{
    struct stat now;
    if (fstat(file, &now) || !S_ISREG(now.st_mode))
        return;
    int64_t old = now.st_size - where;
    old = old < 0 ? 0 : old > most ? most : old;
    void *bytes = malloc((size_t)old + 1);
    /* To open a file again and close it would drop the locks that SQLite holds on it: only where nothing can be read. */
    ssize_t got = old ? pread64(file, bytes, (size_t)old, where) : 0;
    if (got < 0 && errno == EBADF) {
        char link[64];
        snprintf(link, sizeof link, "/proc/self/fd/%d", file);
        int again = real_open(link, O_RDONLY | O_CLOEXEC);
        got = again < 0 ? -1 : pread64(again, bytes, (size_t)old, where);
        if (again >= 0)
            close(again);
    }
    if (got == old)
        put(record_path, &(struct record){where, old, now.st_size}, bytes);
    free(bytes);
}

static int opened(const char *path, int is_new, int file)
{
    char found[PATH_MAX], made[PATH_MAX + 8];
    if (file >= 0 && is_new && noted(path, found)) {
        snprintf(made, sizeof made, "%s.made", found);
        int mark = real_open(made, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        if (mark >= 0)
            close(mark);
    }
    return file;
}

static int makes(const char *path, int flags)
{
    return (flags & O_CREAT) && access(path, F_OK) != 0;
}

#define OPENS(name, call)                        \
    int name                                     \
    {                                            \
        mode_t mode = 0;                         \
        if (flags & (O_CREAT | O_TMPFILE)) {     \
            va_list more;                        \
            va_start(more, flags);               \
            mode = va_arg(more, mode_t);         \
            va_end(more);                        \
        }                                        \
        int is_new = makes(path, flags);         \
        return opened(path, is_new, call);       \
    }

OPENS(open(const char *path, int flags, ...), real_open(path, flags, mode))
OPENS(open64(const char *path, int flags, ...), real_open(path, flags, mode))
OPENS(openat(int at, const char *path, int flags, ...), real_openat(at, path, flags, mode))
OPENS(openat64(int at, const char *path, int flags, ...), real_openat(at, path, flags, mode))

ssize_t pwrite64(int file, const void *bytes, size_t size, off64_t where)
{
    char found[PATH_MAX];
    if (!noted_file(file, found))
        return real_pwrite(file, bytes, size, where);
    pthread_mutex_lock(&one);
    note(file, found, where, (int64_t)size);
    ssize_t done = real_pwrite(file, bytes, size, where);
    pthread_mutex_unlock(&one);
    return done;
}

ssize_t pwrite(int file, const void *bytes, size_t size, off_t where)
{
    return pwrite64(file, bytes, size, where);
}

ssize_t write(int file, const void *bytes, size_t size)
{
    char found[PATH_MAX];
    if (!noted_file(file, found))
        return real_write(file, bytes, size);
    pthread_mutex_lock(&one);
    int is_at_end = fcntl(file, F_GETFL) & O_APPEND;
    note(file, found, lseek64(file, 0, is_at_end ? SEEK_END : SEEK_CUR), (int64_t)size);
    ssize_t done = real_write(file, bytes, size);
    pthread_mutex_unlock(&one);
    return done;
}

int ftruncate64(int file, off64_t length)
{
    char found[PATH_MAX];
    if (!noted_file(file, found))
        return real_truncate(file, length);
    pthread_mutex_lock(&one);
    note(file, found, length, INT64_MAX);
    int done = real_truncate(file, length);
    pthread_mutex_unlock(&one);
    return done;
}

int ftruncate(int file, off_t length)
{
    return ftruncate64(file, length);
}

static void forget(const char *found)
{
    char made[PATH_MAX + 8];
    snprintf(made, sizeof made, "%s.made", found);
    real_unlink(found);
    real_unlink(made);
}

/* All names are durable. */
static void forget_names(void)
{
    DIR *all = opendir(notes);
    struct dirent *each;
    char made[PATH_MAX + NAME_MAX + 8];
    while (all && (each = readdir(all))) {
        size_t length = strlen(each->d_name);
        if (length < 5 || strcmp(each->d_name + length - 5, ".made"))
            continue;
        snprintf(made, sizeof made, "%s/%s", notes, each->d_name);
        real_unlink(made);
    }
    if (all)
        closedir(all);
}

/* A folder makes the names in it durable; a file its own as well, as on every file system that is in use. */
static int synced(int file, int (*sync)(int))
{
    char found[PATH_MAX];
    struct stat what, ours;
    if (!folder_length || fstat(file, &what))
        return sync(file);
    pthread_mutex_lock(&one);
    int done = sync(file);
    if (!done && S_ISREG(what.st_mode) && noted_file(file, found))
        forget(found);
    if (!done && S_ISDIR(what.st_mode) && !stat(folder, &ours) && ours.st_ino == what.st_ino)
        forget_names();
    pthread_mutex_unlock(&one);
    return done;
}

int fsync(int file)
{
    return synced(file, real_fsync);
}

int fdatasync(int file)
{
    return synced(file, real_fdatasync);
}

int unlink(const char *path)
{
    char found[PATH_MAX];
    int done = real_unlink(path);
    if (!done && noted(path, found))
        forget(found);
    return done;
}

int rename(const char *from, const char *to)
{
    char before[PATH_MAX], after[PATH_MAX];
    int done = real_rename(from, to);
    if (!done && noted(from, before) && noted(to, after)) {
        forget(after);
        real_rename(before, after);
        forget(before);
    }
    return done;
}
