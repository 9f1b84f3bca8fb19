/* Who may change what we rely on: modes of files, and of the directories that they stand in. */
#ifndef AM_MILTER_ACCESS_H
#define AM_MILTER_ACCESS_H

#include "libauth/base/error.h"

#include <stdbool.h>

/* False where everybody may write the file, or put another in its place: `why` says which, and what
 * to do. What is not there, and what is no plain file (a pipe), is somebody else's complaint. */
bool am_access_file(const char *path, am_error *why);

/* False for a pipe, a directory, a device: opening one could last for ever. What is not there is
 * somebody else's complaint. */
bool am_access_plain(const char *path, am_error *why);

/* The directories above `path` alone, for a file or a socket that we are about to make. One that
 * everybody may write to will do where its sticky bit is set, as in /tmp. */
bool am_access_directory(const char *path, am_error *why);

#endif
