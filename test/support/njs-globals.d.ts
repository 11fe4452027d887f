// Tests bring sources of njs/ into the program of Node's types, which njs's own would contradict.
// Here they only need to be named; tsconfig.njs.json is what checks those sources.

/* eslint-disable @typescript-eslint/no-explicit-any, @typescript-eslint/no-unused-vars */
declare type NginxHTTPRequest = any
declare type NginxStreamRequest = any
declare type NginxPeriodicSession = any
declare type NgxSharedDict<V = unknown> = any
declare const ngx: any
declare const njs: any
