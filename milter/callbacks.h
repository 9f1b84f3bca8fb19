/* What libmilter calls; see milter/session.h for what happens then. */
#ifndef AM_MILTER_CALLBACKS_H
#define AM_MILTER_CALLBACKS_H

#include <libmilter/mfapi.h>

/* For smfi_register. */
struct smfiDesc am_callbacks(void);

#endif
