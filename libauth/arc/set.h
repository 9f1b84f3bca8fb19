/* The sets of an ARC chain as data (RFC 8617 4.1, 4.2). */
#ifndef AM_ARC_SET_H
#define AM_ARC_SET_H

#include "libauth/arc/arc.h"
#include "libauth/sig/signature.h"

typedef enum am_arc_cv { AM_CV_BAD, AM_CV_NONE, AM_CV_FAIL, AM_CV_PASS } am_arc_cv;

/* The three fields of a set; the short names are the RFC's. */
typedef enum am_arc_kind { AM_ARC_AAR, AM_ARC_AMS, AM_ARC_AS, AM_ARC_KINDS } am_arc_kind;

typedef struct am_arc_fields {
    bool has[AM_ARC_KINDS];
    size_t field[AM_ARC_KINDS]; /* indices in the header */
    am_str results;             /* AAR: behind "i=N;" */
    am_signature message, seal; /* AMS, AS */
    const char *message_fault;  /* a constant: why the AMS cannot verify; NULL: it may */
    am_arc_cv cv;
} am_arc_fields;

typedef struct am_arc_chain {
    am_arc_fields *set; /* set[0] is instance 1; AM_ARC_MAX of them; NULL: no ARC field */
    unsigned n;         /* the highest instance seen; 0: no ARC field at all */
    const char *fault;  /* NULL: the structure is right (5.2 steps 1 to 3); else a constant */
    unsigned at;        /* the instance of the fault, or 0 */
} am_arc_chain;

/* Reads all ARC fields. False: out of memory. */
bool am_arc_collect(am_arena *a, const am_header *h, unsigned max_sets, am_arc_chain *out);

#endif
