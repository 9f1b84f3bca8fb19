/*
 * access: refuses files that others can change.
 *
 * For: whoever reads the configuration, perhaps as root, and makes a socket and a pid file.
 * A file that anybody may write is anybody's configuration; a directory that anybody may write is
 * a place where a name means whatever somebody wants, the names of directories too. Waits: for the
 * file system. Memory: none. Callers: one thread.
 */
#include "milter/access.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Text up to the last slash: "/etc" of "/etc/x", "/" of "/x", "." of "x". */
static void directory_of(const char *path, char out[PATH_MAX])
{
    const char *slash = strrchr(path, '/');
    if (!slash)
        snprintf(out, PATH_MAX, ".");
    else
        snprintf(out, PATH_MAX, "%.*s", slash == path ? 1 : (int)(slash - path), path);
}

/* Every directory on the way to `name`, as it is written; it is told of `path`. */
static bool closed(const char *name, const char *path, am_error *why)
{
    char at[PATH_MAX], above[PATH_MAX];
    struct stat st;
    snprintf(at, sizeof at, "%s", name);
    for (directory_of(at, above); strcmp(at, above) != 0; directory_of(at, above)) {
        if (stat(above, &st) == 0 && st.st_mode & S_IWOTH && !(st.st_mode & S_ISVTX)) {
            am_error_set(
                why, "%s: everybody may write to its directory; chmod o-w %s", path, above);
            return false;
        }
        memcpy(at, above, sizeof at);
    }
    return true;
}

bool am_access_directory(const char *path, am_error *why)
{
    char directory[PATH_MAX], real[PATH_MAX], name[PATH_MAX + 2];
    directory_of(path, directory);
    if (!closed(path, path, why))
        return false;
    if (!realpath(directory, real))
        return true;
    snprintf(name, sizeof name, "%s/.", real); /* links lead elsewhere, and "." stands somewhere */
    return closed(name, path, why);
}

bool am_access_plain(const char *path, am_error *why)
{
    struct stat st;
    if (stat(path, &st) != 0 || S_ISREG(st.st_mode))
        return true;
    am_error_set(why, "%s: %s; wanted: a plain file", path,
        S_ISDIR(st.st_mode)    ? "a directory"
        : S_ISFIFO(st.st_mode) ? "a pipe"
                               : "no plain file");
    return false;
}

bool am_access_file(const char *path, am_error *why)
{
    char real[PATH_MAX];
    struct stat st;
    if (stat(path, &st) != 0 || !S_ISREG(st.st_mode))
        return true;
    if (st.st_mode & S_IWOTH) {
        am_error_set(why, "%s: everybody may write to it; chmod o-w %s", path, path);
        return false;
    }
    /* Of a link, both the place where it stands and the place where it leads. */
    return am_access_directory(path, why) &&
           (!realpath(path, real) || am_access_directory(real, why));
}
