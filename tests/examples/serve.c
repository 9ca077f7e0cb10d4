/* A server inside the program, on a port that was free, spoken to over a socket.
 *
 *     cc serve.c $(pkg-config --cflags --libs riptide) -o serve && ./serve DIRECTORY
 */
#define _POSIX_C_SOURCE 200809L
#include <arpa/inet.h>
#include <netinet/in.h>
#include <riptide_server.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int connect_to(uint16_t port)
{
    struct sockaddr_in to;
    memset(&to, 0, sizeof to);
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    return connect(fd, (struct sockaddr *)&to, sizeof to) ? -1 : fd;
}

static void ask(int fd, const char *name, const char *command)
{
    char reply[128];
    if (write(fd, command, strlen(command)) < 0) return;
    ssize_t n = read(fd, reply, sizeof reply);
    printf("%s: %.*s", name, n > 0 ? (int)n : 0, reply);
}

int main(int argc, char **argv)
{
    static const char *const settings[] = {"appendfsync", "always", NULL};
    struct riptide_server_config config;
    struct riptide_server *server;
    struct riptide_failure why;
    if (argc != 2) return 2;
    memset(&config, 0, sizeof config);
    config.dir = argv[1];
    config.settings = settings;
    if (riptide_server_start(&config, &server, &why)) {
        fprintf(stderr, "%s\n", why.text);
        return 1;
    }
    int fd = connect_to(riptide_server_port(server));
    ask(fd, "SET", "SET greeting hello\r\n");
    ask(fd, "GET", "GET greeting\r\n");
    close(fd);
    if (riptide_server_stop(server)) return 1;
    printf("stopped\n");
    return 0;
}
