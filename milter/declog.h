/* The decision log: where its lines go. What a line says is milter/record.h's matter. */
#ifndef AM_MILTER_DECLOG_H
#define AM_MILTER_DECLOG_H

#include "libauth/base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct am_declog am_declog;

enum { AM_DECLOG_QUEUE = 8 << 20 }; /* octets of lines that wait to be written */

/* Octets of a line that the journal takes: what every process may send as one datagram (Linux's
 * net.core.wmem_max is 212,992 by itself). */
enum { AM_DECLOG_DATAGRAM = 200000 };

/* Is `path` one that am_declog_open would take? Changes nothing. False: `why`. */
bool am_declog_check(const char *path, am_error *why);

/* A log that appends to the file `path` ("": none; created with mode 0640; "/dev/stdout" and
 * "/dev/stderr" are these), and tells the journal at the socket `journal` ("": none). Neither
 * a symbolic link nor a file with several names is taken. NULL: `why`. */
am_declog *am_declog_open(const char *path, const char *journal, am_error *why);

/* Starts the thread that writes. False: there is none to be had, and lines are lost. */
bool am_declog_start(am_declog *d);

/* A line should not be longer; 0: no bound of its own. */
size_t am_declog_max(const am_declog *d);

/* Takes the line (malloc'd, LF included, NULL: it could not be made) and never waits: where too
 * much waits to be written it is lost, and counted. Any thread. `d` NULL: no log, line freed. */
void am_declog_put(am_declog *d, char *line, size_t n);

typedef struct am_declog_stats {
    uint64_t written, lost; /* lines */
} am_declog_stats;
am_declog_stats am_declog_count(am_declog *d);

/* Waits at most `wait_ms` until everything is written, then lets go. A write that still hangs
 * keeps its thread and its memory until the process ends. NULL is fine. */
void am_declog_close(am_declog *d, unsigned wait_ms);

#endif
