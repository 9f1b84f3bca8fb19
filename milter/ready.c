/*
 * ready: a configuration that a daemon can start with.
 *
 * For: authmilld's start, -t and reload, and `authmill config`, so that all of them say the same.
 * Waits: for files and the user database. Memory: the configuration is the caller's. Callers: one
 * thread.
 */
#include "milter/ready.h"
#include "milter/access.h"
#include "milter/declog.h"

#include <string.h>

static bool own_list(const am_conf_list *l, const char *prefix, am_error *why)
{
    size_t n = strlen(prefix);
    for (unsigned i = 0; i < l->n; i++)
        if (strncmp(l->item[i], prefix, n) == 0 && !am_access_file(l->item[i] + n, why))
            return false;
    return true;
}

/* The files that the configuration is made of are ours alone. */
static bool own_files(const am_conf *c, am_error *why)
{
    bool resolvers = !c->dns.zones.n && !c->dns.nameservers.n; /* it says whom we believe */
    const char *const log = c->decision_log.path;
    const char *const file[] = {c->methods.login_map_file, c->dmarc.psl_file, c->policy.shadow_file,
        strncmp(log, "/dev/", 5) ? log : "", resolvers ? c->dns.resolv_conf : ""};
    const char *const made[] = {c->socket.path ? c->socket.path : "", c->pid_file, log};
    for (size_t i = 0; i < sizeof file / sizeof *file; i++)
        if (*file[i] && !am_access_file(file[i], why))
            return false;
    for (size_t i = 0; i < sizeof made / sizeof *made; i++)
        if (*made[i] && !am_access_directory(made[i], why))
            return false;
    return own_list(&c->dns.zones, "", why) && own_list(&c->arc.trusted_sealers, "file:", why);
}

static bool declog(const am_conf *c, am_error *why)
{
    am_error e;
    return am_declog_check(c->decision_log.path, &e) ||
           am_conf_wrong(c, "decision-log", "path", why, "%s", e.text);
}

am_conf *am_ready_load(const char *file, am_identity *identity, am_error *why)
{
    bool good = am_access_plain(file, why) && am_access_file(file, why);
    am_conf *c = good ? am_conf_load(file, why) : NULL;
    bool may = !identity || (c && declog(c, why) && am_identity_find(c, identity, why));
    if (c && may && own_files(c, why) && am_conf_check(c, why))
        return c;
    am_conf_free(c);
    return NULL;
}
