/* One line for people: what is wrong, where, and what would be right. */
#ifndef AM_BASE_ERROR_H
#define AM_BASE_ERROR_H

typedef struct am_error {
    char text[256]; /* ends in NUL; cut where longer; printable ASCII only */
} am_error;

/* Sets the text; control octets become '?'. e may be NULL. */
void am_error_set(am_error *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
