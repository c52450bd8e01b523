# The far side of tests/semantics/qemu_machine.py: runs one instruction after another in user mode.
#
# Standard input brings groups, each a head (count of cases, code, storage) and that many start states; each state is
# loaded into the registers and control goes to CODE. All storage around the code is zero, and a halfword of zeros is
# no instruction, so wherever control lands the program is interrupted; the signal handler writes down what it finds,
# sets storage right again and turns to the next state. It never returns to the interrupted program.
#
# The offsets below are those of the structures in qemu_machine.py.

        .set    CODE_BYTES, 0x200
        .set    REGION, 0x2000                  # size of each region of storage
        .set    MOST, 256                       # cases in a group

        # head of a group
        .set    H_COUNT, 0
        .set    H_CODE, 8
        .set    H_STORAGE, H_CODE + CODE_BYTES
        .set    HEAD, H_STORAGE + 3 * REGION

        # start state
        .set    C_GPR, 0
        .set    C_VECTOR, 128
        .set    C_ACCESS, 640
        .set    C_FPC, 704
        .set    C_STATUS, 708                   # condition code and program mask as SPM takes them
        .set    CASE, 712

        # result
        .set    R_GPR, 0
        .set    R_VECTOR, 128
        .set    R_ACCESS, 640
        .set    R_FPC, 704
        .set    R_STATUS, 708                   # as IPM gives it
        .set    R_PSW, 712                      # mask and address of the interrupted program
        .set    R_SIGNAL, 728
        .set    R_REASON, 732                   # si_code
        .set    R_CHANGES, 736                  # doublewords of storage that were changed: count, then address and value
        .set    MOST_CHANGES, 48
        .set    RESULT, R_CHANGES + 8 + 16 * MOST_CHANGES

        # signal frame: struct ucontext of the kernel (uc_flags, uc_link, uc_stack, uc_mcontext)
        .set    UC_PSW, 40
        .set    UC_GPR, 56
        .set    SI_CODE, 8

        .set    SYS_exit, 1
        .set    SYS_read, 3
        .set    SYS_write, 4
        .set    SYS_mmap, 90
        .set    SYS_ftruncate, 93
        .set    SYS_rt_sigaction, 174
        .set    SYS_sigaltstack, 186
        .set    SYS_memfd_create, 350

        .text
        .globl  _start
_start:
        larl    %r2, shared                     # a file without a name, to be mapped twice
        lghi    %r3, 0
        lghi    %r1, SYS_memfd_create
        svc     0
        ltgr    %r12, %r2
        jl      fail_map
        lghi    %r3, REGION
        lghi    %r1, SYS_ftruncate
        svc     0
        ltgr    %r2, %r2
        jne     fail_map
        larl    %r13, maps_of_file
        stg     %r12, M_FILE(%r13)
        stg     %r12, M_NEXT + M_FILE(%r13)

        larl    %r13, maps                      # the regions
        lghi    %r12, 5
1:      lgr     %r2, %r13
        lghi    %r1, SYS_mmap
        svc     0
        clg     %r2, 0(%r13)
        jne     fail_map
        aghi    %r13, M_NEXT
        brctg   %r12, 1b

        larl    %r2, alternate
        lghi    %r3, 0
        lghi    %r1, SYS_sigaltstack
        svc     0
        larl    %r13, signals
        lghi    %r12, 5
2:      llgc    %r2, 0(%r13)
        larl    %r3, action
        lghi    %r4, 0
        lghi    %r5, 8
        lghi    %r1, SYS_rt_sigaction
        svc     0
        ltgr    %r2, %r2
        jne     fail_signal
        aghi    %r13, 1
        brctg   %r12, 2b

group:  larl    %r9, head
        lgfi    %r8, HEAD
        brasl   %r14, fill
        larl    %r9, head
        lg      %r8, H_COUNT(%r9)
        msgfi   %r8, CASE
        larl    %r9, cases
        brasl   %r14, fill

        larl    %r2, head + H_CODE              # code, then storage
        lgrl    %r3, where
        lghi    %r4, CODE_BYTES / 256
        brasl   %r14, copy
        larl    %r2, head + H_STORAGE
        larl    %r13, regions
        lghi    %r12, 3
3:      lg      %r3, 0(%r13)
        lghi    %r4, REGION / 256
        brasl   %r14, copy
        aghi    %r13, 8
        brctg   %r12, 3b

        larl    %r2, cases
        larl    %r3, next
        stg     %r2, 0(%r3)
        larl    %r3, head
        lg      %r2, H_COUNT(%r3)
        larl    %r3, left
        stg     %r2, 0(%r3)

        # Turn to the next start state, or group
turn:   larl    %r3, left
        lg      %r2, 0(%r3)
        ltgr    %r2, %r2
        je      group
        aghi    %r2, -1
        stg     %r2, 0(%r3)
        larl    %r3, next
        lg      %r1, 0(%r3)
        la      %r2, CASE(%r1)
        stg     %r2, 0(%r3)
        vlm     %v0, %v15, C_VECTOR(%r1)
        vlm     %v16, %v31, C_VECTOR + 256(%r1)
        lam     %a0, %a15, C_ACCESS(%r1)
        lfpc    C_FPC(%r1)
        l       %r0, C_STATUS(%r1)
        spm     %r0
        lmg     %r0, %r15, C_GPR(%r1)
        jg      code                            # an address that the linker is told

        # %r2 signal, %r3 siginfo, %r4 ucontext; all but the general registers are still the interrupted program's.
handler:
        ipm     %r0
        larl    %r1, result
        st      %r0, R_STATUS(%r1)
        stfpc   R_FPC(%r1)
        stam    %a0, %a15, R_ACCESS(%r1)
        vstm    %v0, %v15, R_VECTOR(%r1)
        vstm    %v16, %v31, R_VECTOR + 256(%r1)
        mvc     R_PSW(16, %r1), UC_PSW(%r4)
        mvc     R_GPR(128, %r1), UC_GPR(%r4)
        st      %r2, R_SIGNAL(%r1)
        mvc     R_REASON(4, %r1), SI_CODE(%r3)

        # Compare storage with what it was, doubleword by doubleword, and set it right
        larl    %r2, head + H_STORAGE
        la      %r5, R_CHANGES + 8(%r1)         # place for the next change
        lghi    %r6, 0                          # their number
        larl    %r13, regions
        lghi    %r12, 3
4:      lg      %r3, 0(%r13)
        lghi    %r4, REGION / 64
5:      lg      %r7, 0(%r2)                     # 64 bytes at once
        xg      %r7, 0(%r3)
        .irp    at, 8, 16, 24, 32, 40, 48, 56
        lg      %r8, \at(%r2)
        xg      %r8, \at(%r3)
        ogr     %r7, %r8
        .endr
        ltgr    %r7, %r7
        je      8f
        lghi    %r9, 0
6:      lg      %r7, 0(%r9, %r2)
        lg      %r8, 0(%r9, %r3)
        cgr     %r7, %r8
        je      7f
        stg     %r7, 0(%r9, %r3)
        aghi    %r6, 1
        cghi    %r6, MOST_CHANGES
        jh      7f
        la      %r10, 0(%r9, %r3)
        stg     %r10, 0(%r5)
        stg     %r8, 8(%r5)
        aghi    %r5, 16
7:      aghi    %r9, 8
        cghi    %r9, 64
        jl      6b
8:      aghi    %r2, 64
        aghi    %r3, 64
        brctg   %r4, 5b
        aghi    %r13, 8
        brctg   %r12, 4b
        stg     %r6, R_CHANGES(%r1)

        lgr     %r9, %r1
        lgfi    %r8, RESULT
9:      lghi    %r2, 1
        lgr     %r3, %r9
        lgr     %r4, %r8
        lghi    %r1, SYS_write
        svc     0
        ltgr    %r2, %r2
        jle     fail_write
        agr     %r9, %r2
        sgr     %r8, %r2
        jne     9b
        j       turn

        # Read %r8 bytes to %r9; at the end of the input the program ends
fill:   lghi    %r2, 0
        lgr     %r3, %r9
        lgr     %r4, %r8
        lghi    %r1, SYS_read
        svc     0
        ltgr    %r2, %r2
        jl      fail_read
        je      end
        agr     %r9, %r2
        sgr     %r8, %r2
        jne     fill
        br      %r14

        # Copy %r4 times 256 bytes from %r2 to %r3, both moving on
copy:   mvc     0(256, %r3), 0(%r2)
        aghi    %r2, 256
        aghi    %r3, 256
        brctg   %r4, copy
        br      %r14

end:    lghi    %r2, 0
        j       leave
fail_map:       lghi    %r2, 81
        j       leave
fail_signal:    lghi    %r2, 82
        j       leave
fail_read:      lghi    %r2, 83
        j       leave
fail_write:     lghi    %r2, 84
leave:  lghi    %r1, SYS_exit
        svc     0

        .data
        .balign 8
        # mmap takes its arguments in storage: address, length, protection, flags, file, offset.
        # Only the code may be executed, so that a branch into storage is caught there. The region for data lies 2 GiB
        # after the code; QEMU 7.2 counts such distances of relative operands in 32 bits and looks 4 GiB lower,
        # where it shall find the same storage.
maps:   .quad   0x0, REGION, 3, 0x32, -1, 0             # private, fixed, anonymous
        .quad   0x3fffef000, 0x21000, 7, 0x32, -1, 0
        .quad   0x490000000, REGION, 3, 0x32, -1, 0
maps_of_file:
        .quad   0x480000000, REGION, 3, 0x11, -1, 0     # shared, fixed
        .quad   0x380000000, REGION, 3, 0x11, -1, 0
        .set    M_FILE, 32
        .set    M_NEXT, 48
where:  .quad   code
regions:
        .quad   0x0, 0x480000000, 0x490000000
        # SA_SIGINFO, SA_NODEFER, SA_ONSTACK; the kernel's order is handler, flags, restorer, mask
action: .quad   handler, 0x48000004, 0, 0
alternate:
        .quad   signal_stack, 0, 0x10000
signals:
        .byte   4, 5, 7, 8, 11                  # SIGILL, SIGTRAP, SIGBUS, SIGFPE, SIGSEGV
        .balign 2
shared: .asciz  "storage"

        .bss
        .balign 16
next:   .skip   8
left:   .skip   8
head:   .skip   HEAD
        .balign 16
result: .skip   RESULT
        .balign 16
cases:  .skip   MOST * CASE
        .balign 16
signal_stack:
        .skip   0x10000
