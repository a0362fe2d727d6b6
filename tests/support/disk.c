/* A library to be preloaded, that lets the disk under one file misbehave on command.
 *
 * DISK_FILE     end of the path of the file that it is about
 * DISK_CONTROL  file of commands, read at each call; one per line:
 *     fdatasync fail 5     return this errno without calling the system
 *     pwrite fail 28       the same
 *     pwrite part 9        write so many bytes, then end the process by a signal
 *     pwrite abort         end the process before
 *     fdatasync abort      end the process before
 *     fdatasync after      end the process after
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static int concerned(int descriptor)
{
    char link[64], path[4096];
    const char *end = getenv("DISK_FILE");
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (!end || length < (ssize_t)strlen(end))
        return 0;
    path[length] = 0;
    return !strcmp(path + length - strlen(end), end);
}

/* The argument of "name verb argument" in the control file; 0 where it is not there. */
static int command(const char *name, char verb[16], int *argument)
{
    char line[128], found[64];
    const char *path = getenv("DISK_CONTROL");
    FILE *control = path ? fopen(path, "re") : NULL;
    int present = 0;
    if (!control)
        return 0;
    while (!present && fgets(line, sizeof line, control)) {
        *argument = 0;
        present = sscanf(line, "%63s %15s %d", found, verb, argument) >= 2 && !strcmp(found, name);
    }
    fclose(control);
    return present;
}

int fdatasync(int descriptor)
{
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    char verb[16];
    int argument, result;
    if (!concerned(descriptor) || !command("fdatasync", verb, &argument))
        return real(descriptor);
    if (!strcmp(verb, "fail")) {
        errno = argument;
        return -1;
    }
    result = strcmp(verb, "after") ? 0 : real(descriptor);
    (void)result;
    kill(getpid(), SIGKILL);
    return -1;
}

ssize_t pwrite64(int descriptor, const void *content, size_t count, off64_t offset)
{
    ssize_t (*real)(int, const void *, size_t, off64_t) =
        (ssize_t (*)(int, const void *, size_t, off64_t))dlsym(RTLD_NEXT, "pwrite64");
    char verb[16];
    int argument;
    if (!concerned(descriptor) || !command("pwrite", verb, &argument))
        return real(descriptor, content, count, offset);
    if (!strcmp(verb, "fail")) {
        errno = argument;
        return -1;
    }
    if (!strcmp(verb, "part"))
        real(descriptor, content, count < (size_t)argument ? count : (size_t)argument, offset);
    kill(getpid(), SIGKILL);
    return -1;
}

ssize_t pwrite(int descriptor, const void *content, size_t count, off_t offset)
{
    return pwrite64(descriptor, content, count, offset);
}
