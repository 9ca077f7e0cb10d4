/* cmd.h - the functions behind the table's rows, by family.
 *
 * Flow:  dispatch > *_command > keyspace, reply_*
 * Tests: tests/server/cmd_string_test.c and its siblings
 */
#ifndef SERVER_CMD_H
#define SERVER_CMD_H

#include "server/command.h"

/* ---- cmd_command.c ---- */
void command_command(struct call *c);
void command_info_command(struct call *c);
void command_count_command(struct call *c);
void command_docs_command(struct call *c);
void command_list_command(struct call *c);
void command_getkeys_command(struct call *c);
void command_help_command(struct call *c);

/* ---- cmd_connection.c ---- */
void ping_command(struct call *c);
void echo_command(struct call *c);
void select_command(struct call *c);
void quit_command(struct call *c);
void reset_command(struct call *c);
void auth_command(struct call *c);
void hello_command(struct call *c);
void client_id_command(struct call *c);
void client_getname_command(struct call *c);
void client_setname_command(struct call *c);
void client_setinfo_command(struct call *c);
void client_info_command(struct call *c);
void client_list_command(struct call *c);
void client_no_evict_command(struct call *c);
void client_no_touch_command(struct call *c);
void client_reply_command(struct call *c);
void client_help_command(struct call *c);

/* ---- cmd_expire.c ---- */
void expire_command(struct call *c);
void pexpire_command(struct call *c);
void expireat_command(struct call *c);
void pexpireat_command(struct call *c);
void persist_command(struct call *c);
void ttl_command(struct call *c);
void pttl_command(struct call *c);
void expiretime_command(struct call *c);
void pexpiretime_command(struct call *c);

/* ---- cmd_key.c ---- */
void del_command(struct call *c);
void unlink_command(struct call *c);
void exists_command(struct call *c);
void type_command(struct call *c);
void keys_command(struct call *c);
void scan_command(struct call *c);

/* ---- cmd_object.c ---- */
void object_encoding_command(struct call *c);
void object_refcount_command(struct call *c);
void object_idletime_command(struct call *c);
void object_freq_command(struct call *c);
void object_help_command(struct call *c);

/* ---- cmd_server.c ---- */
void dbsize_command(struct call *c);
void time_command(struct call *c);
void flushdb_command(struct call *c);
void flushall_command(struct call *c);
void info_command(struct call *c);
void shutdown_command(struct call *c);
void config_get_command(struct call *c);
void config_set_command(struct call *c);
void config_resetstat_command(struct call *c);
void config_rewrite_command(struct call *c);
void config_help_command(struct call *c);

/* ---- cmd_string.c ---- */
void get_command(struct call *c);
void strlen_command(struct call *c);
void mget_command(struct call *c);
void getdel_command(struct call *c);
void getset_command(struct call *c);
void set_command(struct call *c);
void setnx_command(struct call *c);
void setex_command(struct call *c);
void psetex_command(struct call *c);
void mset_command(struct call *c);
void msetnx_command(struct call *c);
void append_command(struct call *c);
void incr_command(struct call *c);
void decr_command(struct call *c);
void incrby_command(struct call *c);
void decrby_command(struct call *c);

#endif
