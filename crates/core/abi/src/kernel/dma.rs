//! The function table of a DMA adapter (wdm.h).

layout! {
    /// What a driver calls through its DMA adapter; every member after the size is a function's address.
    "DMA_OPERATIONS" [320]
    pub struct DmaOperations {
        0 => size: u32, "`Size`: bytes.";
        4 => _pad0: [u8; 4], "Padding.";
        8 => put_dma_adapter: u64, "`PutDmaAdapter`: address.";
        16 => allocate_common_buffer: u64, "`AllocateCommonBuffer`: address.";
        24 => free_common_buffer: u64, "`FreeCommonBuffer`: address.";
        32 => allocate_adapter_channel: u64, "`AllocateAdapterChannel`: address.";
        40 => flush_adapter_buffers: u64, "`FlushAdapterBuffers`: address.";
        48 => free_adapter_channel: u64, "`FreeAdapterChannel`: address.";
        56 => free_map_registers: u64, "`FreeMapRegisters`: address.";
        64 => map_transfer: u64, "`MapTransfer`: address.";
        72 => get_dma_alignment: u64, "`GetDmaAlignment`: address.";
        80 => read_dma_counter: u64, "`ReadDmaCounter`: address.";
        88 => get_scatter_gather_list: u64, "`GetScatterGatherList`: address.";
        96 => put_scatter_gather_list: u64, "`PutScatterGatherList`: address.";
        104 => calculate_scatter_gather_list: u64, "`CalculateScatterGatherList`: address.";
        112 => build_scatter_gather_list: u64, "`BuildScatterGatherList`: address.";
        120 => build_mdl_from_scatter_gather_list: u64, "`BuildMdlFromScatterGatherList`: address.";
        128 => get_dma_adapter_info: u64, "`GetDmaAdapterInfo`: address.";
        136 => get_dma_transfer_info: u64, "`GetDmaTransferInfo`: address.";
        144 => initialize_dma_transfer_context: u64, "`InitializeDmaTransferContext`: address.";
        152 => allocate_common_buffer_ex: u64, "`AllocateCommonBufferEx`: address.";
        160 => allocate_adapter_channel_ex: u64, "`AllocateAdapterChannelEx`: address.";
        168 => configure_adapter_channel: u64, "`ConfigureAdapterChannel`: address.";
        176 => cancel_adapter_channel: u64, "`CancelAdapterChannel`: address.";
        184 => map_transfer_ex: u64, "`MapTransferEx`: address.";
        192 => get_scatter_gather_list_ex: u64, "`GetScatterGatherListEx`: address.";
        200 => build_scatter_gather_list_ex: u64, "`BuildScatterGatherListEx`: address.";
        208 => flush_adapter_buffers_ex: u64, "`FlushAdapterBuffersEx`: address.";
        216 => free_adapter_object: u64, "`FreeAdapterObject`: address.";
        224 => cancel_mapped_transfer: u64, "`CancelMappedTransfer`: address.";
        232 => allocate_domain_common_buffer: u64, "`AllocateDomainCommonBuffer`: address.";
        240 => flush_dma_buffer: u64, "`FlushDmaBuffer`: address.";
        248 => join_dma_domain: u64, "`JoinDmaDomain`: address.";
        256 => leave_dma_domain: u64, "`LeaveDmaDomain`: address.";
        264 => get_dma_domain: u64, "`GetDmaDomain`: address.";
        272 => allocate_common_buffer_with_bounds: u64, "`AllocateCommonBufferWithBounds`: address.";
        280 => allocate_common_buffer_vector: u64, "`AllocateCommonBufferVector`: address.";
        288 => get_common_buffer_from_vector_by_index: u64, "`GetCommonBufferFromVectorByIndex`: address.";
        296 => free_common_buffer_from_vector: u64, "`FreeCommonBufferFromVector`: address.";
        304 => free_common_buffer_vector: u64, "`FreeCommonBufferVector`: address.";
        312 => create_common_buffer_from_mdl: u64, "`CreateCommonBufferFromMdl`: address.";
    }
}
