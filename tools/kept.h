/* Kept mail, message after message: a folder, an mbox, a decision log, a single file. */
#ifndef AM_TOOLS_KEPT_H
#define AM_TOOLS_KEPT_H

#include "milter/record.h"

/* One of them; everything is valid during the call alone. */
typedef struct am_kept {
    const char *name;        /* file; "mbox:3"; "log:3" */
    am_str octets;           /* the message; absent: */
    const am_record *record; /* or NULL */
} am_kept;

typedef struct am_kept_reader {
    void *with;
    /* False: no more of them are wanted. */
    bool (*take)(void *with, const am_kept *kept);
    /* Something that cannot be read is passed over. */
    void (*wrong)(void *with, const char *name, const char *why);
    /* How much of a source is done; `of` 0: nobody knows. */
    void (*progress)(void *with, uint64_t done, uint64_t of);
} am_kept_reader;

/* A folder: every file in it, and in its cur/ and new/ (Maildir), each one message, by their names.
 * A file: an mbox where it begins with "From " (lines ">From" lose one ">"), a decision log where
 * it begins with "{", else one message. "-": standard input. EX_OK, or EX_NOINPUT, EX_SOFTWARE:
 * `why`. */
int am_kept_read(const char *path, const am_kept_reader *r, am_error *why);

#endif
