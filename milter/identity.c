/*
 * identity: users, groups, and the way down from root.
 *
 * For: supervisor (look-up, owner of the socket) and worker (drop). Waits: for the user database.
 * Memory: by value. Callers: before any thread.
 */
#include "milter/identity.h"
#include "milter/log.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Root without "user" becomes authmill where there is such a user, else nobody. */
static const struct passwd *find_user(const am_conf *c, am_error *why)
{
    const struct passwd *p;
    if (*c->user) {
        if (!(p = getpwnam(c->user)))
            am_conf_wrong(
                c, "", "user", why, "\"%s\" does not exist; make it, or name another", c->user);
        return p;
    }
    if ((p = getpwnam("authmill")) || (p = getpwnam("nobody")))
        return p;
    am_error_set(why,
        "%s: started as root, and there is neither a user \"authmill\" nor one "
        "\"nobody\"; set user",
        c->file);
    return NULL;
}

static bool find_socket_group(const am_conf *c, am_identity *out, am_error *why)
{
    const struct group *g = *c->socket_group ? getgrnam(c->socket_group) : NULL;
    if (g)
        out->socket_gid = g->gr_gid;
    else if (*c->socket_group)
        am_conf_wrong(c, "", "socket-group", why, "\"%s\" does not exist; make it, or name another",
            c->socket_group);
    return g || !*c->socket_group;
}

bool am_identity_find(const am_conf *c, am_identity *out, am_error *why)
{
    *out = (am_identity){.uid = geteuid(), .gid = getegid(), .socket_gid = (gid_t)-1};
    if (out->uid == 0) {
        const struct passwd *p = find_user(c, why);
        if (!p)
            return false;
        out->drop = p->pw_uid != 0;
        out->uid = p->pw_uid;
        out->gid = out->socket_gid = p->pw_gid;
        snprintf(out->user, sizeof out->user, "%s", p->pw_name);
    } else if (*c->user) {
        const struct passwd *p = getpwnam(c->user);
        if (!p || p->pw_uid != out->uid) {
            return am_conf_wrong(c, "", "user", why,
                "\"%s\": only root can become another user; start as root, or leave user out",
                c->user);
        }
    }
    return find_socket_group(c, out, why);
}

bool am_identity_drop(const am_identity *i, am_error *why)
{
    if (!i->drop)
        return true;
    if (initgroups(i->user, i->gid) != 0 || setgid(i->gid) != 0 || setuid(i->uid) != 0) {
        am_error_set(why, "cannot become user %s: %s", i->user, strerror(errno));
        return false;
    }
    if (setuid(0) == 0 || getuid() != i->uid || geteuid() != i->uid || getegid() != i->gid) {
        am_error_set(why, "cannot give root's privileges up");
        return false;
    }
    return true;
}
