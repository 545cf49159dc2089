/** Posts under way at once in one function environment. "Lambda quotas": 1,024 file descriptors, and each post holds a socket. */
export const mostPosts = 500;
