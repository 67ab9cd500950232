"""Builds with RUN: what it sees, and what of what it does is in the image."""

from tests.buildkit import Case, case

FILES = {"f": "hello", "d/one": "1", "d/two": "2"}

CASES: dict[str, Case] = {
    "forms of RUN": case(
        """FROM busybox
        RUN echo shell > /shell
        RUN ["/bin/sh", "-c", "echo exec > /exec"]
        RUN ["touch", "/with blank"]
        RUN    echo "a   b" > /blanks
        RUN true
        """
    ),
    "what RUN sees": case(
        """FROM busybox
        RUN id -un > /id; id -g >> /id; pwd >> /id; umask >> /id; echo $HOME >> /id
        RUN hostname > /env; env | cut -d= -f1 | sort >> /env
        RUN grep -E '^(Cap|NoNew|Seccomp:)' /proc/self/status > /status; cat /etc/hosts > /hosts
        RUN ls / > /ls; ls /dev | grep -vE 'console' > /dev-ls; ls -ld /dev/shm /tmp | cut -c1-10 > /modes
        RUN test -e /etc/hostname; echo $? > /hostname; test -t 0; echo $? > /tty; cat | wc -c > /input
        """
    ),
    "RUN as a user": case(
        """FROM busybox
        RUN echo 'app:x:1001:1002::/home/app:/bin/sh' >> /etc/passwd && echo 'team:x:2001:app' >> /etc/group
        USER app
        RUN id -u > /tmp/app; id -g >> /tmp/app; echo $HOME >> /tmp/app
        USER app:team
        RUN id -u > /tmp/team; id -g >> /tmp/team
        USER 77
        RUN id -u > /tmp/number; id -g >> /tmp/number; echo $HOME >> /tmp/number
        USER 77:78
        RUN id -u > /tmp/both; id -g >> /tmp/both
        USER root
        RUN id -u > /tmp/root; id -g >> /tmp/root
        """
    ),
    "groups of RUN": case(
        """FROM busybox
        RUN echo 'app:x:1001:1002::/:/bin/sh' >> /etc/passwd && echo 'team:x:2001:app' >> /etc/group
        USER app
        RUN grep Groups /proc/self/status > /tmp/groups
        """
    ),
    "programs are looked for in PATH": case(
        """FROM busybox
        RUN mkdir -p /opt/bin && printf '#!/bin/sh\\necho tool > /out' > /opt/bin/tool && chmod 755 /opt/bin/tool
        ENV PATH=/opt/bin:/bin
        RUN ["tool"]
        RUN echo "$PATH" > /path
        """
    ),
    "RUN in WORKDIR": case("FROM busybox\nWORKDIR /a/b\nRUN pwd > here\nWORKDIR c\nRUN pwd > here"),
    "files made, changed and removed": case(
        """FROM busybox
        RUN mkdir -p /d/sub && echo 1 > /d/a && echo 2 > /d/b && echo 3 > /d/sub/c && ln -s a /d/l && ln /d/a /d/h
        RUN echo more >> /d/a
        RUN rm /d/b && rm -r /d/sub && mv /d/l /d/m
        RUN chmod 600 /d/a && chown 5:6 /d/m && mkfifo /d/pipe && mknod /d/null c 1 3
        RUN rm -r /d && mkdir /d && echo new > /d/new
        RUN rm -r /home && echo file > /home
        RUN rm /home && mkdir /home
        """
    ),
    "a change that is none": case(
        """FROM busybox
        RUN touch /gone && rm /gone
        RUN chmod 644 /etc/passwd
        RUN cat /etc/passwd > /dev/null
        """
    ),
    "only an owner, a mode, a time": case(
        """FROM busybox
        RUN mkdir /d && echo x > /f && echo y > /g && ln -s f /l
        RUN chown 5 /f
        RUN chmod 2711 /d
        RUN touch -d '2001-01-01 00:00:00' /g
        RUN chown -h 6 /l
        """
    ),
    "what is mounted is not in the image": case(
        """FROM busybox
        RUN echo x > /dev/shm/x && mkdir /dev/made && echo y > /dev/y && ls /proc /sys > /dev/null
        RUN ls -A /dev /sys > /empty; ls /etc > /etc-ls
        """
    ),
    "files of the name service stay as they are": case(
        """FROM busybox
        COPY hosts /etc/hosts
        COPY hosts /etc/resolv.conf
        COPY hosts /etc/hostname
        RUN echo hi > /hi; cat /etc/hostname > /seen
        """,
        {"hosts": "of the image"},
    ),
    "VOLUME and what is written below it": case(
        """FROM busybox
        RUN mkdir /vol && echo 1 > /vol/before
        VOLUME /vol /other
        RUN echo 2 > /vol/after && mkdir -p /other && echo 3 > /other/f
        COPY f /vol/
        """,
        FILES,
    ),
    "mount: a place that was not there": case(
        "FROM busybox\nRUN --mount=target=/m/n --mount=type=tmpfs,target=/t ls /m/n > /ls", FILES
    ),
    "mount: bind": case(
        """FROM busybox
        RUN mkdir /m /made && touch /file
        RUN --mount=type=bind,target=/m cp -r /m/d /copied
        RUN --mount=type=bind,source=d,dst=/m cat /m/one /m/two > /made/out
        RUN --mount=target=/file,source=f cat /file > /made/f
        RUN --mount=type=bind,target=/m,rw touch /m/new && ls /m > /made/ls
        RUN ls /m > /made/after
        """,
        FILES,
    ),
    "mount: bind from a stage and an image": case(
        """FROM busybox AS one
        RUN mkdir /d && echo from one > /d/f
        FROM busybox
        RUN mkdir /m /n
        RUN --mount=type=bind,from=one,source=/d,target=/m cp /m/f /f
        RUN --mount=from=busybox,target=/n,source=/etc cp /n/passwd /p
        RUN --mount=from=one,target=/m,rw rm -r /m/d && ls -d /m/d; echo $? > /code
        RUN --mount=from=one,target=/m cat /m/d/f > /again
        """
    ),
    "mount: cache": case(
        """FROM busybox
        RUN mkdir /c /e
        RUN --mount=type=cache,target=/c,id=case-cache rm -f /c/*; echo 1 > /c/f
        RUN --mount=type=cache,target=/e,id=case-cache cat /e/f > /seen; ls -ld /e | cut -c1-10 > /mode
        RUN --mount=type=cache,target=/c,id=other-cache,mode=700,uid=5,gid=6 ls -ldn /c | awk '{print $1,$3,$4}' > /o
        RUN --mount=type=cache,target=/c,id=case-cache,readonly touch /c/x; echo $? > /code
        RUN --mount=type=cache,target=/c,id=sourced,from=busybox,source=/etc cat /c/passwd > /sourced
        """
    ),
    "mount: tmpfs": case(
        """FROM busybox
        RUN mkdir /t && echo below > /t/below
        RUN --mount=type=tmpfs,target=/t ls /t > /ls; echo gone > /t/x
        """
    ),
    "mount: secret": case(
        """FROM busybox
        RUN mkdir -p /run/secrets /s && touch /s/file
        RUN --mount=type=secret,id=one cd /run/secrets; cat one > /out; ls -ln one | awk '{print $1,$3,$4}' > /ls
        RUN --mount=type=secret,id=one,target=/s/file,mode=440,uid=5,gid=6 ls -ln /s/file | awk '{print $1,$3,$4}' > /l
        RUN --mount=type=secret,id=nosuch ls /run/secrets > /none
        """,
        {"secret": "the secret"},
        "--secret",
        "id=one,src=secret",
    ),
    "mount: several": case(
        """FROM busybox AS one
        RUN echo one > /one
        FROM busybox
        RUN mkdir /a /b /c
        RUN --mount=from=one,target=/a --mount=type=tmpfs,target=/b \\
            --mount=target=/c cp /a/one /b/ && cat /b/one /c/f > /out
        """,
        FILES,
    ),
    "mount: a relative target": case(
        """FROM busybox
        WORKDIR /w/m
        WORKDIR /w
        RUN --mount=target=m,source=d cat m/one > one
        """,
        FILES,
    ),
    "hosts of the command line": case(
        "FROM busybox\nRUN grep -v localhost /etc/hosts > /hosts", {}, "--add-host", "one:10.0.0.1"
    ),
    "a pipe and its exit code": case("FROM busybox\nRUN false | true; echo done > /out"),
    "processes that are left": case("FROM busybox\nRUN sleep 100 & echo started > /out"),
    "umask and modes of RUN": case(
        """FROM busybox
        RUN umask 077; echo 1 > /f; mkdir /d; (umask 0; echo 2 > /g)
        RUN cp -a /f /h && mkdir -m 2755 /i
        """
    ),
    "a directory that becomes a link": case(
        """FROM busybox
        RUN mkdir /d && echo 1 > /d/f && mkdir /e
        RUN rm -r /d && ln -s e /d
        RUN echo 2 > /d/g && rm -r /e && echo 3 > /e
        """
    ),
    "renames": case(
        """FROM busybox
        RUN mkdir -p /a/b && echo 1 > /a/b/f
        RUN mv /a /c
        RUN mv /c/b /a && mv /etc/group /etc/renamed
        RUN mv /home /house && mv /house/ /home
        """
    ),
    "many small changes": case("FROM busybox\n" + "".join(f"RUN echo {n} > /f{n % 3}\n" for n in range(12))),
    "exec form and WORKDIR": case(
        r"""FROM busybox
        WORKDIR /w
        RUN ["cp", "/etc/passwd", "here"]
        RUN printf "#!/bin/sh\npwd > pwd" > run && chmod 755 run
        RUN ["./run"]
        """
    ),
    "standard input and the terminal": case("FROM busybox\nRUN cat > /in; tty > /tty; echo $$ > /pid"),
    "limits of RUN": case(
        "FROM busybox\nRUN ulimit -c > /c; cat /proc/sys/kernel/hostname > /host; cat /proc/self/oom_score_adj > /oom"
    ),
    "what root may do in RUN": case(
        """FROM busybox
        RUN mkdir /d && chown 5:6 /d && chmod 000 /d && touch /d/x; mknod /n c 1 3; echo $? > /mknod
        RUN mount -t tmpfs x /d 2>/dev/null; echo $? > /mount; hostname other 2>/dev/null; echo $? > /hostname
        RUN chroot / true; echo $? > /chroot; echo x > /proc/sys/vm/swappiness; echo $? > /proc-sys
        """
    ),
}
